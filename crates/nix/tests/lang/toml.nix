builtins.fromTOML ''
  title = "globe"
  [table]
  numbers = [ 1, 2.5, -3 ]
  nested.key = true
  [[array]]
  name = "a"
  [[array]]
  name = "b"
''

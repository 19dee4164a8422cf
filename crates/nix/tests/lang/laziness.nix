let
  bomb = throw "never needed";
  loop = { self = loop; value = 1; };
in
[
  (builtins.length [ bomb bomb ])
  ({ a = 1; b = bomb; }).a
  ((x: 5) bomb)
  loop.self.self.value
  (if true then 1 else bomb)
  (false && bomb)
  (true || bomb)
  (false -> bomb)
  (builtins.head [ 1 bomb ])
  (builtins.attrNames { a = bomb; })
]

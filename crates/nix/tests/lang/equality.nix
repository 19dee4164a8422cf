let f = x: x; in
[
  (1 == 1.0) ("a" == "a") ([ 1 [ 2 ] ] == [ 1 [ 2 ] ]) ({ a = 1; } == { a = 1.0; }) (null == false)
  (f == f) ([ f ] == [ f ]) ({ inherit f; } == { inherit f; }) ({ type = "derivation"; outPath = 1; a = 2; } == { type = "derivation"; outPath = 1; b = 3; })
  ([ 1 2 ] < [ 1 3 ]) ([ ] < [ 1 ]) ("a" < "b") (1 < 1.5)
]

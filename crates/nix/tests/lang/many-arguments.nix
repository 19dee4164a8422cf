# Functions of several parameters are one function inside, and must not show it.
let
  f = a: b: c: d: e: [ a b c d e ];
  g = f 1 2;
  h = g 3;
  shadow = x: x: x;
  capture = x: y: (z: [ x y z ]);
  kept = map (n: (m: n * m)) [ 1 2 3 ];
in
[ (h 4 5) (h 6 7) (g 8 9 10) (shadow 1 2) (capture 1 2 3) (map (k: k 10) kept) (builtins.foldl' (a: b: a ++ [ b ]) [ ] [ 1 2 3 ]) ]

let x = 1; y = { x = 2; z = 3; }; in
[
  (with y; x)
  (with y; z)
  (with { z = 4; }; with y; z)
  (let x = 5; in with y; x)
  ((x: with { x = 7; }; x) 6)
  (with y; let z = 8; in z)
  (let inherit (y) z; inherit x; in x + z)
]

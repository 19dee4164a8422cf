let
  defaults = { a, b ? a + 1, c ? b + 1, ... }@all: [ a b c (builtins.attrNames all) ];
  add = x: y: z: x + y + z;
  partial = add 1 2;
  functor = { __functor = self: x: self.base + x; base = 10; };
in
[
  (defaults { a = 1; z = 9; })
  (defaults { a = 1; b = 5; })
  (map partial [ 1 2 ])
  (functor 5)
  (map functor [ 1 ])
  (builtins.functionArgs defaults)
  (builtins.functionArgs add)
]

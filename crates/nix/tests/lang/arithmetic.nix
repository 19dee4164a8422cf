# Integers stay integers until a fraction joins them.
[ (7 / 2) (-7 / 2) (7.0 / 2) (2 * 3 - 1) (1 + 0.5) (builtins.ceil 1.2) (builtins.floor (-1.2)) (builtins.bitXor 5 3) ]

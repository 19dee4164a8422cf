with builtins;
[
  (attrNames { b = 1; a = 2; "c d" = 3; })
  (attrValues { b = 1; a = 2; })
  (mapAttrs (n: v: "${n}=${toString v}") { a = 1; b = 2; })
  (intersectAttrs { a = 1; b = 2; } { b = 3; c = 4; })
  (removeAttrs { a = 1; b = 2; } [ "a" "zz" ])
  (listToAttrs [ { name = "x"; value = 1; } { name = "x"; value = 2; } { name = "y"; value = 3; } ])
  (catAttrs "a" [ { a = 1; } { b = 2; } { a = 3; } ])
  (zipAttrsWith (n: vs: [ n vs ]) [ { a = 1; } { a = 2; b = 3; } ])
  (getAttr "a" { a = 1; }) (hasAttr "a" { })
]

let
  set = {
    here = 1;
  };
in
map (p: [ (baseNameOf p.file) p.line p.column ]) [ (builtins.unsafeGetAttrPos "here" set) __curPos ]

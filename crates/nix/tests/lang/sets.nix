let
  a.b.c = 1;
  a.b.d = 2;
  a.e = { f = 3; };
  key = "dyn";
in
rec {
  inherit (a.b) c d;
  inherit a;
  "quoted name" = 1;
  ${key} = c + d;
  ${null} = throw "a null name is left out";
  has = [ (a ? b.c) (a ? x.y) (1 ? a) (a ? "e") ];
  or' = a.x.y or "default";
  update = { x = 1; y = 2; } // { y = 3; z = 4; };
}

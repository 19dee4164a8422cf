let d = "sub"; in
map toString [ /a/b/../c /a/${d}/x (/a + "/b") ] ++ [ (builtins.typeOf ./.) (/a == /a) (builtins.pathExists ./paths.nix) (builtins.readFileType ./paths.nix) ]

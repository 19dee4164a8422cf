let
  dependency = derivation { name = "dependency"; system = "s"; builder = "b"; };
  fixed = mode: derivation {
    name = "fixed"; system = "s"; builder = "b"; outputHashMode = mode; outputHashAlgo = "sha256";
    outputHash = "0000000000000000000000000000000000000000000000000000000000000000";
  };
in
map (d: [ d.drvPath d.outPath ]) [
  (derivation { name = "user"; system = "s"; builder = "b"; args = [ "-c" dependency ]; env = "${fixed "flat"}"; list = [ 1 true null "x" ]; })
  (fixed "flat") (fixed "recursive")
  (derivation { name = "structured"; system = "s"; builder = "b"; __structuredAttrs = true; a = { b = [ 1 dependency ]; }; outputs = [ "out" "lib" ]; })
  (derivation { name = "nulls"; system = "s"; builder = "b"; __ignoreNulls = true; gone = null; })
  (derivation { name = "deep"; system = "s"; builder = "b"; all = dependency.drvPath; })
]

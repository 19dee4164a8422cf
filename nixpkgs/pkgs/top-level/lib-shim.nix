# The few functions of lib that the package set itself uses, until lib is there.
let
  inherit (builtins) isAttrs isFunction isList;
in
rec {
  flatten = x: if isList x then builtins.concatMap flatten x else [ x ];
  toList = x: if isList x then x else [ x ];
  optional = c: x: if c then [ x ] else [ ];
  optionals = c: x: if c then x else [ ];
  optionalString = c: x: if c then x else "";
  optionalAttrs = c: x: if c then x else { };
  concatStringsSep = builtins.concatStringsSep;
  concatMapStringsSep = sep: f: l: concatStringsSep sep (map f l);
  concatMapStrings = concatMapStringsSep "";
  concatLists = builtins.concatLists;
  concatMap = builtins.concatMap;
  mapAttrs = builtins.mapAttrs;
  mapAttrsToList = f: s: map (n: f n s.${n}) (builtins.attrNames s);
  attrNames = builtins.attrNames;
  attrValues = builtins.attrValues;
  filterAttrs = f: s: removeAttrs s (builtins.filter (n: !f n s.${n}) (builtins.attrNames s));
  nameValuePair = name: value: { inherit name value; };
  mapAttrs' = f: s: builtins.listToAttrs (mapAttrsToList f s);
  genAttrs = names: f: builtins.listToAttrs (map (n: nameValuePair n (f n)) names);
  isDerivation = x: isAttrs x && x.type or null == "derivation";
  getOutput = o: p: if !isAttrs p || p.outputSpecified or false then p else p.${o} or p.out or p;
  getDev = getOutput "dev";
  getBin = getOutput "bin";
  getLib = getOutput "lib";
  getExe' = p: n: "${getBin p}/bin/${n}";
  getExe = p: getExe' p (p.meta.mainProgram or p.pname);
  makeSearchPath = d: l: concatStringsSep ":" (map (p: "${p}/${d}") (builtins.filter (x: x != null) l));
  makeBinPath = l: makeSearchPath "bin" (map getBin l);
  makeOverridable =
    f: args:
    let
      result = f args;
    in
    if isAttrs result then
      result // { override = change: makeOverridable f (args // (if isFunction change then change args else change)); }
    else
      result;
  callPackageWith =
    scope: f: args:
    let
      function = if isFunction f then f else import f;
    in
    makeOverridable function (builtins.intersectAttrs (builtins.functionArgs function) scope // args);
  callPackagesWith = callPackageWith;
  recurseIntoAttrs = s: s // { recurseForDerivations = true; };
  dontRecurseIntoAttrs = s: s // { recurseForDerivations = false; };
  escapeShellArg = s: "'${builtins.replaceStrings [ "'" ] [ "'\\''" ] (toString s)}'";
  escapeShellArgs = l: concatMapStringsSep " " escapeShellArg l;
  hasPrefix = p: s: builtins.substring 0 (builtins.stringLength p) s == p;
  hasSuffix = x: s: let n = builtins.stringLength s; m = builtins.stringLength x; in n >= m && builtins.substring (n - m) m s == x;
  removePrefix = p: s: if hasPrefix p s then builtins.substring (builtins.stringLength p) (-1) s else s;
  removeSuffix = x: s: if hasSuffix x s then builtins.substring 0 (builtins.stringLength s - builtins.stringLength x) s else s;
  warn = m: builtins.trace "warning: ${m}";
  unique = builtins.foldl' (acc: e: if builtins.elem e acc then acc else acc ++ [ e ]) [ ];
  reverseList = l: let n = builtins.length l; in builtins.genList (i: builtins.elemAt l (n - i - 1)) n;
  head = builtins.head;
  getName = p: p.pname or p.name;
  imap0 = f: l: builtins.genList (i: f i (builtins.elemAt l i)) (builtins.length l);
  hasInfix = i: s: builtins.replaceStrings [ i ] [ "" ] s != s;
}

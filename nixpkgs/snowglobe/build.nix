# From the value of a user's file to the derivations to be built, as nix-build finds them: the value
# itself, or those of a set or a list. A test module stands for its test.
{ value, attrPath ? [ ], arguments ? { } }:
let
  inherit (import ./find.nix { inherit attrPath arguments; }) call classify select lib;
  inherit (builtins) attrNames elemAt genList isAttrs isFunction isList length tryEval;

  one = path: derivation: {
    attrPath = path;
    inherit (derivation) name;
    drvPath = builtins.unsafeDiscardStringContext derivation.drvPath;
    output = derivation.outputName or "out";
    path = builtins.unsafeDiscardStringContext "${derivation.outPath}";
  };

  # Sets below the first are looked into only if they say so, as everywhere in nixpkgs.
  collect = depth: path: v:
    if lib.isDerivation v then [ (one path v) ]
    else if isList v then
      lib.concatLists (genList (n: collect (depth + 1) (path ++ [ (toString n) ]) (elemAt v n)) (length v))
    else
      let kind = classify 0 v; in
      if kind ? test then [ (one path kind.test) ]
      else if kind ? set && (depth == 0 || kind.set.recurseForDerivations or false) then
        lib.concatMap
          (name:
            let
              attempt = tryEval kind.set.${name};
              inner = attempt.value;
            in
            # What cannot be evaluated is passed over only where it was not asked for.
            if depth > 0 && !attempt.success then [ ]
            else if isFunction kind.set.${name} then [ ]
            else if isAttrs inner || isList inner then collect (depth + 1) (path ++ [ name ]) inner
            else [ ])
          (attrNames kind.set)
      else [ ];

  # A function to a derivation or a set is called; one to a test is for `classify'.
  called = depth: v:
    if isFunction v && depth < 4 && !(classify 0 v ? test) then called (depth + 1) (call v) else v;
  selected = called 0 (select attrPath value);
  found = collect 0 attrPath selected;
  complaint =
    if isAttrs selected then "an attribute set without one${lib.optionalString (selected != { }) " (its attributes: ${lib.concatStringsSep ", " (lib.take 10 (attrNames selected))})"}; `-A' chooses in deeper ones"
    else "a value of type ${builtins.typeOf selected}";
in
if found == [ ] then throw "There is nothing to build here: the value is ${complaint}." else found

# Functions that nixpkgs keeps for old expressions only. Those that nothing is known to use are not here.
{ lib }:
rec {
  maybeEnv = name: default: let value = builtins.getEnv name; in if value == "" then default else value;
  maybeAttr = name: default: attrs: attrs.${name} or default;
  maybeAttrNullable = maybeAttr;
  nvs = name: value: lib.listToAttrs [ (lib.nameValuePair name value) ];
  setAttr = set: name: value: set // { ${name} = value; };
  setAttrMerge = name: default: attrs: change: setAttr attrs name (change (maybeAttr name default attrs));
  imap = lib.imap1;

  # Type of a value, for messages.
  nixType = value:
    if builtins.isAttrs value then (if value ? outPath then "derivation" else "attrs")
    else if builtins.isFunction value then "function"
    else if builtins.isList value then "list"
    else if value == true || value == false then "bool"
    else if value == null then "null"
    else if builtins.isInt value then "int"
    else "string";

  # The first of those that are alike, in order.
  uniqList = { inputList, acc ? [ ] }: uniqListExt { inherit inputList; outputList = acc; };
  uniqListExt = { inputList, outputList ? [ ], getter ? (x: x), compare ? (x: y: x == y) }:
    builtins.foldl' (known: item: if lib.any (other: compare (getter other) (getter item)) known then known else known ++ [ item ]) outputList inputList;

  # Derivations with all that they propagate, each once.
  closePropagation = packages:
    let
      wanted = builtins.filter (package: package != null) packages;
      closed = builtins.genericClosure {
        startSet = map (package: { key = package.outPath; value = package; }) wanted;
        operator = { value, ... }: map (package: { key = package.outPath; value = package; })
          (builtins.filter (package: package != null) (value.propagatedBuildInputs or [ ] ++ value.propagatedNativeBuildInputs or [ ]));
      };
    in
    map (item: item.value) closed;
}

# Attribute sets.
{ lib }:
let
  inherit (builtins)
    attrNames attrValues catAttrs concatMap elemAt filter foldl' groupBy hasAttr head intersectAttrs
    isAttrs isList length listToAttrs map mapAttrs tail zipAttrsWith;
in
rec {
  inherit (builtins)
    attrNames attrValues catAttrs getAttr hasAttr intersectAttrs isAttrs listToAttrs mapAttrs
    removeAttrs zipAttrsWith;

  nameValuePair = name: value: { inherit name value; };
  optionalAttrs = condition: attrs: if condition then attrs else { };

  # -- paths -----------------------------------------------------------------------------------

  attrByPath = path: default: set:
    let
      count = length path;
      go = depth: value:
        if depth == count then value
        else
          let name = elemAt path depth; in
          if value ? ${name} then go (depth + 1) value.${name} else default;
    in
    go 0 set;

  hasAttrByPath = path: set:
    let
      count = length path;
      go = depth: value:
        depth == count
        || (let name = elemAt path depth; in value ? ${name} && go (depth + 1) value.${name});
    in
    go 0 set;

  # The longest beginning of `path` that leads to something in `set`.
  longestValidPathPrefix = path: set:
    let
      count = length path;
      go = depth: value:
        if depth == count then path
        else
          let name = elemAt path depth; in
          if value ? ${name} then go (depth + 1) value.${name} else lib.take depth path;
    in
    go 0 set;

  setAttrByPath = path: value:
    let
      count = length path;
      go = depth: if depth == count then value else { ${elemAt path depth} = go (depth + 1); };
    in
    go 0;

  getAttrFromPath = path: set:
    attrByPath path (abort "cannot find attribute `${lib.concatStringsSep "." path}'") set;

  showAttrPath = path:
    if path == [ ] then "<root attribute path>"
    else lib.concatMapStringsSep "." lib.escapeNixIdentifier path;

  # Apply `{ path; update; }` changes, the deeper ones first, without evaluating what is not asked.
  updateManyAttrsByPath =
    let
      go = depth: has: value: updates:
        let
          here = lib.partition (u: length u.path == depth) updates;
          below = groupBy (u: elemAt u.path depth) here.wrong;
          nested =
            if here.wrong == [ ] then { inherit has value; }
            else if has && !isAttrs value then
              throw "updateManyAttrsByPath: the value at `${showAttrPath (lib.take depth (head here.wrong).path)}' is not a set, but an update goes below it"
            else {
              has = true;
              value = (if has then value else { }) // mapAttrs
                (name: go' (depth + 1) (has && value ? ${name}) (value.${name} or null))
                below;
            };
        in
        (foldl'
          (acc: u: {
            has = true;
            value = u.update (
              if acc.has then acc.value
              else throw "updateManyAttrsByPath: nothing to update at `${showAttrPath u.path}'");
          })
          nested
          here.right);
      go' = depth: has: value: updates: (go depth has value updates).value;
    in
    updates: set: go' 0 true set updates;

  # -- selections ------------------------------------------------------------------------------

  attrVals = names: set: map (name: set.${name}) names;
  getAttrs = names: set: lib.genAttrs names (name: set.${name});

  filterAttrs = keep: set:
    removeAttrs set (filter (name: !keep name set.${name}) (attrNames set));

  filterAttrsRecursive = keep: set:
    listToAttrs (concatMap
      (name:
        let value = set.${name}; in
        if keep name value
        then [ { inherit name; value = if isAttrs value then filterAttrsRecursive keep value else value; } ]
        else [ ])
      (attrNames set));

  # -- mapping and folding ---------------------------------------------------------------------

  foldlAttrs = f: init: set: foldl' (acc: name: f acc name set.${name}) init (attrNames set);

  foldAttrs = f: nul: sets: mapAttrs (_: values: lib.foldr f nul values) (zipAttrsWith (_: v: v) sets);

  collect = pred: value:
    if pred value then [ value ]
    else if isAttrs value then concatMap (collect pred) (attrValues value)
    else [ ];

  cartesianProduct = sets:
    foldl'
      (combinations: name:
        concatMap (set: map (value: set // { ${name} = value; }) sets.${name}) combinations)
      [ { } ]
      (attrNames sets);
  cartesianProductOfSets = cartesianProduct;
  mapCartesianProduct = f: sets: map f (cartesianProduct sets);

  mapAttrs' = f: set: listToAttrs (map (name: f name set.${name}) (attrNames set));
  mapAttrsToList = f: set: map (name: f name set.${name}) (attrNames set);
  attrsToList = mapAttrsToList nameValuePair;
  concatMapAttrs = f: set: mergeAttrsList (attrValues (mapAttrs f set));

  mapAttrsRecursive = mapAttrsRecursiveCond (_: true);
  mapAttrsRecursiveCond = descend: f: set:
    let
      go = path: mapAttrs (name: value:
        let here = path ++ [ name ]; in
        if isAttrs value && descend value then go here value else f here value);
    in
    go [ ] set;

  mapAttrsToListRecursive = mapAttrsToListRecursiveCond (_: _: true);
  mapAttrsToListRecursiveCond = descend: f: set:
    let
      go = path: value:
        if isAttrs value && descend path value
        then concatMap (name: go (path ++ [ name ]) value.${name}) (attrNames value)
        else [ (f path value) ];
    in
    concatMap (name: go [ name ] set.${name}) (attrNames set);

  genAttrs = names: f: listToAttrs (map (name: { inherit name; value = f name; }) names);
  genAttrs' = names: f: listToAttrs (map f names);

  # -- merging ---------------------------------------------------------------------------------

  zipAttrsWithNames = names: f: sets:
    listToAttrs (map (name: { inherit name; value = f name (catAttrs name sets); }) names);
  zipWithNames = zipAttrsWithNames;
  zipAttrs = zipAttrsWith (_: values: values);

  # Pairwise, so that the cost is n log n rather than n².
  mergeAttrsList = sets:
    let
      go = start: end:
        if end - start < 2 then (if end == start then { } else elemAt sets start)
        else let middle = start + (end - start) / 2; in go start middle // go middle end;
    in
    go 0 (length sets);

  recursiveUpdateUntil = stop: left: right:
    let
      go = path: zipAttrsWith (name: values:
        let here = path ++ [ name ]; in
        if length values == 1 || stop here (elemAt values 1) (head values)
        then head values
        else go here values);
    in
    go [ ] [ right left ];

  recursiveUpdate = recursiveUpdateUntil (_: left: right: !(isAttrs left && isAttrs right));

  # Whether every attribute of `pattern` is in `set` with the same value, sets compared inwards.
  matchAttrs = pattern: set:
    assert isAttrs pattern;
    lib.all
      (name:
        set ? ${name}
        && (let wanted = pattern.${name}; found = set.${name}; in
        if isAttrs wanted then isAttrs found && matchAttrs wanted found else wanted == found))
      (attrNames pattern);

  overrideExisting = old: new: old // intersectAttrs old new;

  unionOfDisjoint = x: y:
    let common = intersectAttrs x y; in
    (x // y) // mapAttrs
      (name: _: throw "unionOfDisjoint: `${name}' is in both sets (all of them: ${lib.concatStringsSep ", " (attrNames common)})")
      common;

  # -- derivations -----------------------------------------------------------------------------

  isDerivation = value: value.type or null == "derivation";

  # What looks like a derivation from a store path.
  toDerivation = path:
    let
      result = {
        type = "derivation";
        name = lib.sanitizeDerivationName (builtins.substring 33 (-1) (baseNameOf path));
        outPath = builtins.storePath path;
        outputs = [ "out" ];
        out = result;
        outputName = "out";
      };
    in
    result;

  getFirstOutput = candidates: pkg:
    let
      found = lib.findFirst (output: pkg ? ${output}) null candidates;
    in
    if pkg.outputSpecified or false then pkg
    else if found == null then pkg.out or pkg
    else pkg.${found};

  getOutput = output: getFirstOutput [ output ];
  getBin = getOutput "bin";
  getLib = getFirstOutput [ "lib" ];
  getStatic = getFirstOutput [ "static" "lib" ];
  getDev = getOutput "dev";
  getInclude = getFirstOutput [ "include" "dev" "out" ];
  getMan = getOutput "man";
  chooseDevOutputs = map getDev;

  recurseIntoAttrs = attrs: attrs // { recurseForDerivations = true; };
  dontRecurseIntoAttrs = attrs: attrs // { recurseForDerivations = false; };
}

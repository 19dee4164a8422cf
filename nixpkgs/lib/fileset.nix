# Sets of files below a directory, combined like sets and added to the store as a source.
#
# A set is a base path and a tree: `true` for a directory or file with all in it, `null` for
# nothing, or an attribute set of trees by name.
{ lib }:
let
  inherit (builtins) attrNames baseNameOf dirOf foldl' isAttrs isFunction isList isPath mapAttrs pathExists readDir typeOf;
  inherit (lib.filesystem) pathType;

  make = base: tree: {
    _type = "fileset";
    base = base;
    inherit tree;
    # In case someone uses one as a source: say what to do.
    outPath = throw "lib.fileset: a file set was used as a path or source; make one with `lib.fileset.toSource'.";
  };
  nothing = make null null;

  coerce = who: value:
    if value._type or "" == "fileset" then value
    else if value ? _isLibCleanSourceWith then throw "lib.fileset.${who}: a `lib.sources' value is not a file set; convert it with `lib.fileset.fromSource'."
    else if !isPath value then throw "lib.fileset.${who}: expected a file set or a path, but got a value of type ${typeOf value}${lib.optionalString (builtins.isString value) " (\"${value}\"); paths as strings are not file sets"}."
    else if !pathExists value then throw "lib.fileset.${who}: ${toString value} is a path that does not exist. To create a file set from a path that may not exist, use `lib.fileset.maybeMissing'."
    else if pathType value == "directory" then make value true
    else make (dirOf value) { ${baseNameOf value} = true; };

  names = path: let go = acc: p: if p == dirOf p then acc else go ([ (baseNameOf p) ] ++ acc) (dirOf p); in go [ ] path;

  # The tree of a set as seen from a directory at or above its base.
  from = base: set:
    if set.tree == null then null
    else
      let below = lib.drop (builtins.length (names base)) (names set.base); in
      lib.foldr (name: inner: { ${name} = inner; }) set.tree below;

  commonBase = a: b:
    let
      shared = lib.lists.commonPrefix (names a) (names b);
      up = builtins.length (names a) - builtins.length shared;
    in
    foldl' (p: _: dirOf p) a (lib.range 1 up);

  # A directory as an attribute set, each entry whole.
  expand = path: tree:
    if tree == true then mapAttrs (_: _: true) (readDir path)
    else if tree == null then { }
    else tree;

  both = f: a: b:
    if a.tree == null && b.tree == null then nothing
    else
      let base = if a.tree == null then b.base else if b.tree == null then a.base else commonBase a.base b.base; in
      make base (f base (from base a) (from base b));

  prune = tree: if isAttrs tree && lib.all (name: tree.${name} == null) (attrNames tree) then null else tree;

  unionTrees = path: a: b:
    if a == true || b == true then true
    else if a == null then b
    else if b == null then a
    else mapAttrs (name: _: unionTrees (path + "/${name}") (a.${name} or null) (b.${name} or null)) (a // b);
  intersectTrees = path: a: b:
    if a == null || b == null then null
    else if a == true then b
    else if b == true then a
    else prune (mapAttrs (name: _: intersectTrees (path + "/${name}") a.${name} b.${name}) (builtins.intersectAttrs a b));
  subtractTrees = path: a: b:
    if a == null || b == true then null
    else if b == null then a
    else prune (mapAttrs (name: inner: subtractTrees (path + "/${name}") inner (b.${name} or null)) (expand path a));

  filterTree = keep: path: tree:
    prune (mapAttrs
      (name: inner:
        let
          here = path + "/${name}";
          type = (readDir path).${name};
        in
        if inner == null then null
        else if type == "directory" then filterTree keep here inner
        else if keep { inherit name type; hasExt = ext: lib.hasSuffix ".${ext}" name; } then true
        else null)
      (expand path tree));

  files = path: tree:
    if tree == null then [ ]
    else if tree == true && pathType path != "directory" then [ path ]
    else lib.concatLists (lib.mapAttrsToList (name: files (path + "/${name}")) (expand path tree));

  has = tree: parts:
    if tree == true then true
    else if tree == null then false
    else if parts == [ ] then true
    else has (tree.${builtins.head parts} or null) (builtins.tail parts);
  isEmptyTree = tree: tree == null || isAttrs tree && lib.all (name: isEmptyTree tree.${name}) (attrNames tree);
in
rec {
  isFileset = value: (builtins.tryEval (coerce "isFileset" value)).success
    && (value._type or "" == "fileset" || isPath value);
  empty = nothing;
  maybeMissing = path:
    if !isPath path then throw "lib.fileset.maybeMissing: expected a path, but got a value of type ${typeOf path}."
    else if pathExists path then coerce "maybeMissing" path else nothing;
  union = a: b: both unionTrees (coerce "union" a) (coerce "union" b);
  unions = sets:
    if !isList sets then throw "lib.fileset.unions: expected a list, but got a value of type ${typeOf sets}."
    else foldl' (acc: set: both unionTrees acc (coerce "unions" set)) nothing sets;
  intersection = a: b: both intersectTrees (coerce "intersection" a) (coerce "intersection" b);
  difference = a: b: both subtractTrees (coerce "difference" a) (coerce "difference" b);
  fileFilter = keep: path:
    if !isFunction keep then throw "lib.fileset.fileFilter: the first argument must be a function, but it is of type ${typeOf keep}."
    else if !isPath path then throw "lib.fileset.fileFilter: the second argument must be a path, but it is of type ${typeOf path}."
    else let set = coerce "fileFilter" path; in make set.base (filterTree keep set.base set.tree);
  toList = set: let s = coerce "toList" set; in if s.tree == null then [ ] else files s.base s.tree;
  toSource = { root, fileset }:
    let
      set = coerce "toSource" fileset;
      base = if set.tree == null then root else set.base;
      rootNames = names root;
      above = lib.lists.hasPrefix rootNames (names base);
      tree = if set.tree == null then null else from root set;
    in
    if !isPath root then throw "lib.fileset.toSource: `root' must be a path, but it is of type ${typeOf root}."
    else if !above then throw "lib.fileset.toSource: `fileset' has files outside of `root' (${toString root}); its files lie in ${toString base}."
    else lib.sources.cleanSourceWith {
      name = "source";
      src = root;
      filter = path: type:
        let
          parts = lib.drop (builtins.length rootNames) (names (/. + path));
          at = t: ps: if t == true || t == null || ps == [ ] then t else at (t.${builtins.head ps} or null) (builtins.tail ps);
          found = at tree parts;
        in
        if type == "directory" then !isEmptyTree found else has tree parts;
    };
  fromSource = source:
    if isPath source then coerce "fromSource" source
    else
      let
        keep = source.filter;
        walk = path: lib.filterAttrs (_: t: t != null) (mapAttrs
          (name: type:
            let here = path + "/${name}"; in
            if !keep (toString here) type then null
            else if type == "directory" then prune (walk here)
            else true)
          (readDir path));
      in
      make source.origSrc (prune (walk source.origSrc));
  gitTracked = path: throw "lib.fileset.gitTracked is not supported: the index of a Git work tree cannot be read here.";
  gitTrackedWith = _: gitTracked;
  trace = set: value: builtins.trace (lib.concatMapStringsSep "\n" toString (toList set)) value;
  traceVal = set: trace set set;
}

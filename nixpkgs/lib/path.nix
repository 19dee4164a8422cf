# Paths and strings that stand for paths below another one.
{ lib }:
let
  inherit (builtins) dirOf baseNameOf isPath isString split substring typeOf;
  inherit (lib) concatStringsSep elem filter head tail last length;

  # Why a string is no subpath; null if it is one.
  invalid = text:
    if !isString text then "The given value is of type ${typeOf text}, but a string was expected"
    else if text == "" then "The given string is empty"
    else if substring 0 1 text == "/" then "The given string \"${text}\" starts with a `/`, representing an absolute path"
    else if builtins.match "(.*/)?\\.\\.(/.*)?" text != null then "The given string \"${text}\" contains a `..` component, which is not allowed in subpaths"
    else null;

  splitSubpath = text:
    let parts = filter (part: isString part && part != "" && part != ".") (split "/" text); in
    parts;
  join = parts: "./" + (if parts == [ ] then "." else concatStringsSep "/" parts);

  # A path as its root and the names below it.
  deconstruct = path:
    let
      go = names: base: if base == dirOf base then { root = base; inherit names; } else go ([ (baseNameOf base) ] ++ names) (dirOf base);
    in
    go [ ] path;

  isPrefix = a: b: length a <= length b && lib.take (length a) b == a;
  wantPath = who: path: result:
    if isPath path then result
    else throw "lib.path.${who}: The first argument is of type ${typeOf path}, but a path was expected";
in
{
  append = path: subpath:
    wantPath "append" path (
      if invalid subpath != null then throw "lib.path.append: Second argument is not a valid subpath string:\n    ${invalid subpath}"
      else path + ("/" + subpath));

  hasPrefix = path1: wantPath "hasPrefix" path1 (
    let a = deconstruct path1; in
    path2: wantPath "hasPrefix" path2 (
      let b = deconstruct path2; in
      if a.root != b.root then throw "lib.path.hasPrefix: Filesystem roots must be the same for both paths, but paths with different roots were given"
      else isPrefix a.names b.names));

  removePrefix = path1: wantPath "removePrefix" path1 (
    let a = deconstruct path1; in
    path2: wantPath "removePrefix" path2 (
      let b = deconstruct path2; in
      if isPrefix a.names b.names then join (lib.drop (length a.names) b.names)
      else throw "lib.path.removePrefix: The first path argument \"${toString path1}\" is not a component-wise prefix of the second path argument \"${toString path2}\"."));

  splitRoot = path: wantPath "splitRoot" path (
    let parts = deconstruct path; in
    { inherit (parts) root; subpath = join parts.names; });

  hasStorePathPrefix = path: wantPath "hasStorePathPrefix" path (
    let
      store = (deconstruct (/. + builtins.storeDir)).names;
      names = (deconstruct path).names;
      rest = lib.drop (length store) names;
    in
    isPrefix store names && rest != [ ]
    && (builtins.match ".{32}-.+" (head rest) != null || builtins.match "[0-9a-z]{52}" (head rest) != null));

  subpath = {
    isValid = text: invalid text == null;
    join = subpaths: join (lib.concatLists (lib.imap0
      (n: text:
        if invalid text != null then throw "lib.path.subpath.join: Element at index ${toString n} is not a valid subpath string:\n    ${invalid text}"
        else splitSubpath text)
      subpaths));
    components = text:
      if invalid text != null then throw "lib.path.subpath.components: Argument is not a valid subpath string:\n    ${invalid text}"
      else splitSubpath text;
    normalise = text:
      if invalid text != null then throw "lib.path.subpath.normalise: Argument is not a valid subpath string:\n    ${invalid text}"
      else join (splitSubpath text);
  };
}

# Choosing which files of a directory are sources.
{ lib }:
rec {
  # Whether a path goes into `cleanSource`: no version control, editors' leavings or build results.
  cleanSourceFilter = name: type:
    let base = baseNameOf (toString name); in
    !(
      (type == "directory" && lib.elem base [ ".git" ".svn" "CVS" ".hg" ".jj" ".pijul" "_darcs" ])
      || (type != "directory" && base == ".git")
      || lib.hasSuffix "~" base
      || builtins.match "\\.sw[a-z]|\\..*\\.sw[a-z]" base != null
      || lib.hasSuffix ".o" base
      || lib.hasSuffix ".so" base
      || (type == "symlink" && lib.hasPrefix "result" base)
      || type == "unknown"
    );

  cleanSource = src: cleanSourceWith { filter = cleanSourceFilter; inherit src; };

  canCleanSource = src: src ? _isLibCleanSourceWith || builtins.isPath src || builtins.typeOf src == "path";

  # A source like `builtins.filterSource`, whose filters combine.
  cleanSourceWith = { filter ? (_: _: true), src, name ? null }:
    let
      inner = toSource src;
      both = path: type: inner.filter path type && filter path type;
      finalName = if name != null then name else inner.name;
    in
    fromParts { inherit (inner) origSrc; filter = both; name = finalName; };

  toSource = src:
    if src._isLibCleanSourceWith or false then { inherit (src) origSrc filter name; }
    else { origSrc = src; filter = _: _: true; name = "source"; };

  fromParts = { origSrc, filter, name }: {
    _isLibCleanSourceWith = true;
    inherit origSrc filter name;
    outPath = builtins.path { inherit filter name; path = origSrc; };
  };

  filterSource = filter: src: cleanSourceWith { inherit filter src; };

  sourceByRegex = src: patterns:
    let root = toString (toSource src).origSrc; in
    cleanSourceWith {
      inherit src;
      filter = path: type:
        let relative = lib.removePrefix (root + "/") (toString path); in
        lib.any (pattern: builtins.match pattern relative != null) patterns;
    };

  # Files whose paths match a pattern: `*` stands for anything within a name, `**` for any number of folders.
  sourceByGlobs = src: patterns:
    let
      root = toString (toSource src).origSrc;
      parts = path: builtins.filter builtins.isString (builtins.split "/" path);
      expression = part: lib.concatMapStrings (piece: if builtins.isList piece then ".*" else lib.escapeRegex piece) (builtins.split "\\*+" part);
      globs = map parts patterns;
      # Whether names match the parts of a pattern; `open`: or could, with more names after them.
      matches = open: glob: names:
        if names == [ ] then open || glob == [ ]
        else if glob == [ ] then false
        else if builtins.head glob == "**" then
          builtins.length glob == 1
          || matches open (builtins.tail glob) names || matches open glob (builtins.tail names)
        else
          builtins.match (expression (builtins.head glob)) (builtins.head names) != null
          && matches open (builtins.tail glob) (builtins.tail names);
    in
    cleanSourceWith {
      inherit src;
      filter = path: type:
        let names = parts (lib.removePrefix (root + "/") (toString path)); in
        lib.any (glob: matches (type == "directory" || type == "symlink") glob names) globs;
    };

  sourceFilesBySuffices = src: suffixes: cleanSourceWith {
    inherit src;
    filter = name: type: type == "directory" || lib.any (suffix: lib.hasSuffix suffix (baseNameOf name)) suffixes;
  };

  trace = src:
    let source = toSource src; in
    fromParts (source // {
      filter = path: type:
        let keep = source.filter path type; in
        builtins.trace "${toString source.origSrc}: ${toString path} (${type}): ${lib.boolToString keep}" keep;
    });

  pathHasContext = builtins.hasContext or (path: lib.hasPrefix builtins.storeDir (toString path));

  pathIsGitRepo = path: (builtins.tryEval (commitIdFromGitRepo path)).success;

  # The commit that HEAD names, following links of work trees and packed references.
  commitIdFromGitRepo = path:
    let
      read = git: name:
        let
          file = "${toString git}/${name}";
          common = "${toString git}/commondir";
          packed = "${toString git}/packed-refs";
        in
        if builtins.pathExists file then
          let text = lib.fileContents file; target = builtins.match "ref: (.*)" text; in
          if target == null then text else read git (builtins.head target)
        else if builtins.pathExists packed then
          let found = lib.findFirst (line: line != null) null
            (map (line: builtins.match "([a-z0-9]+) ${lib.escapeRegex name}" line)
              (lib.splitString "\n" (builtins.readFile packed))); in
          if found == null then throw "Could not find ${name} in ${packed}" else builtins.head found
        else if builtins.pathExists common then
          read "${toString git}/${lib.fileContents common}" name
        else throw "Not a git repository or no such reference: ${file}";
      text = if lib.pathIsDirectory path then null else builtins.match "gitdir: (.*)\n?" (builtins.readFile path);
    in
    if text == null then read path "HEAD"
    else
      let target = builtins.head text; in
      read (if lib.hasPrefix "/" target then target else "${toString (dirOf path)}/${target}") "HEAD";

  repoRevToName = kind: repo: rev: "source";
  urlToName = url:
    let base = baseNameOf (lib.removeSuffix "/" (lib.last (lib.splitString ":" (toString url)))); in
    lib.removeSuffix ".git" base;
  shortRev = rev: builtins.substring 0 8 rev;
  revOrTag = rev: tag:
    if rev != null && tag != null then throw "fetcher: both `rev' and `tag' are given"
    else if tag != null then "refs/tags/${tag}" else if rev != null then rev else "HEAD";
}

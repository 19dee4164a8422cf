# Files at evaluation time.
{ lib }:
let
  inherit (builtins) baseNameOf dirOf pathExists readDir toString;
in
rec {
  inherit (builtins) baseNameOf dirOf hashFile isPath readDir;

  readFileType = builtins.readFileType or pathType;
  pathType = path:
    if !pathExists path then throw "lib.filesystem.pathType: Path ${toString path} does not exist."
    else if toString path == "/" || dirOf path == path then "directory"
    else (readDir (dirOf path)).${baseNameOf path};
  pathIsDirectory = path: pathExists path && pathType path == "directory";
  pathIsRegularFile = path: pathExists path && pathType path == "regular";

  # All files below a directory.
  listFilesRecursive = directory:
    lib.flatten (lib.mapAttrsToList
      (name: type:
        if type == "directory" then listFilesRecursive (directory + "/${name}") else directory + "/${name}")
      (readDir directory));

  # Directories with a `.cabal` file, by name of the package.
  haskellPathsInDir = root:
    let
      isPackage = name: type: type == "directory" && pathExists (root + "/${name}/${name}.cabal");
    in
    builtins.mapAttrs (name: _: root + "/${name}") (lib.filterAttrs isPackage (readDir root));

  # The nearest directory upwards that has a match: `{ path; matches; }` or null.
  locateDominatingFile = pattern: file:
    let
      go = directory:
        let
          matches = builtins.filter (m: m != null) (map (builtins.match pattern) (builtins.attrNames (readDir directory)));
          parent = dirOf directory;
        in
        if matches != [ ] then { path = directory; inherit matches; }
        else if directory == parent || toString directory == "/" then null
        else go parent;
      parent = dirOf file;
      isDirectory = pathExists file && pathIsDirectory file;
    in
    go (if isDirectory then file else parent);

  resolveDefaultNix = path:
    if pathIsDirectory path then path + "/default.nix"
    else if builtins.isString path && lib.hasSuffix "/" path then path + "default.nix"
    else path;

  # A package for each file `NAME.nix` or directory with `package.nix`.
  packagesFromDirectoryRecursive =
    let
      go = { callPackage, newScope ? throw "packagesFromDirectoryRecursive: newScope is needed for nested scopes", directory, recurseIntoDirectory ? null, recurseArgs ? null }@args:
        let
          recurse = if recurseIntoDirectory == null then plainRecurse else recurseIntoDirectory;
          defaultPath = directory + "/package.nix";
        in
        if pathExists defaultPath then callPackage defaultPath { }
        else recurse processDirectory args;
      plainRecurse = process: args:
        if args ? newScope then
          lib.recurseIntoAttrs (lib.makeScope args.newScope (self: process (args // { inherit (self) callPackage newScope; })))
        else process args;
      processDirectory = { callPackage, directory, ... }@args:
        lib.concatMapAttrs
          (name: type:
            let path = directory + "/${name}"; in
            if type == "directory" then { ${name} = go (args // { directory = path; }); }
            else if type == "regular" && lib.hasSuffix ".nix" name then { ${lib.removeSuffix ".nix" name} = callPackage path { }; }
            else if type == "regular" then { }
            else throw "lib.filesystem.packagesFromDirectoryRecursive: Unsupported file type ${type} at path ${toString path}")
          (readDir directory);
    in
    go;
}

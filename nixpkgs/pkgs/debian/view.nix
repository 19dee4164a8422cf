# Packages of Debian as derivations.
#
# A package is a *view*: a tree of links to where Debian's files lie in a machine, with nixpkgs'
# layout. Nothing about a package is looked up before something asks for it.
{ lib, system }:
let
  host = builtins.snowglobe or { };

  suggestions =
    word:
    let
      names = if host ? suggest then host.suggest word else [ ];
    in
    lib.optionalString (names != [ ]) "; nearest: ${lib.concatStringsSep ", " names}";

  # What the archive says about a Debian package. Without our evaluator nobody knows, and
  # versions are "0".
  lookUp =
    name:
    if !(host ? debian) then
      { version = "0"; }
    else
      let
        found = host.debian name;
      in
      if found == null then
        throw "the archive has no Debian package '${name}'${suggestions name}"
      else
        found;

  # From Debian's version to the one that the program itself prints: without epoch, Debian's
  # revision and the marks of repacked sources.
  upstreamVersion =
    version:
    let
      parts = builtins.match "([0-9]+:)?(.*)" version;
      noEpoch = builtins.elemAt parts 1;
      revision = builtins.match "(.*)-[^-]*" noEpoch;
      noRevision = if revision == null then noEpoch else builtins.head revision;
      unmark =
        text:
        let
          marked = builtins.match "(.*[^.+~])[.+~](dfsg|ds|repack|really|debian|deb1|git|nmu).*" text;
        in
        if marked == null then text else unmark (builtins.head marked);
    in
    unmark noRevision;

  nameOf = pname: version: "${pname}-${builtins.replaceStrings [ ":" "~" ] [ "-" "-" ] version}";

  # `attrs` may hold what a finished package can change: names, versions, `meta`, `passthru`.
  changeable = [
    "name"
    "pname"
    "version"
    "meta"
    "passthru"
  ];

  /*
    A package whose files are ready-made.

    pname       its name
    version     as the program prints it
    drv         the derivation behind it
    meta, passthru
    dev         another package with the files for building against it, or null
  */
  package =
    {
      pname,
      version,
      name ? nameOf pname version,
      drv,
      meta ? { },
      passthru ? { },
      dev ? null,
    }@given:
    let
      refuse =
        what: names:
        throw "${pname}: ${what} of ${lib.concatMapStringsSep ", " (n: "'${n}'") names} is not supported: the package comes ready-built, so that only ${lib.concatStringsSep ", " changeable} can change";

      self = {
        type = "derivation";
        inherit
          name
          pname
          version
          system
          ;
        inherit (drv)
          outPath
          drvPath
          builder
          drvAttrs
          ;
        outputName = "out";
        outputs = [ "out" ];
        all = [ self ];
        out = self;
        bin = self;
        lib = self;
        man = self;
        doc = self;
        info = self;
        data = self;
        dev = if dev == null then self else dev;
        meta = {
          inherit name;
          available = true;
          broken = false;
          unfree = false;
          unsupported = false;
          insecure = false;
          outputsToInstall = [ "out" ];
          platforms = [ system ];
        }
        // meta;
        inherit passthru;

        override =
          changes:
          let
            names = if builtins.isFunction changes then [ "a function" ] else builtins.attrNames changes;
          in
          if names == [ ] then self else refuse "override" names;

        overrideAttrs =
          change:
          let
            before = {
              inherit
                name
                pname
                version
                meta
                passthru
                ;
            };
            once = if builtins.isFunction change then change before else change;
            changes = if builtins.isFunction once then change before once else once;
            wrong = builtins.filter (n: !(builtins.elem n changeable)) (builtins.attrNames changes);
          in
          if wrong != [ ] then
            refuse "overrideAttrs" wrong
          else
            package (
              given
              // changes
              // {
                passthru = passthru // changes.passthru or { };
              }
            );

        overrideDerivation = change: self.overrideAttrs change;
      }
      // passthru;
    in
    self;

  # The derivation of a view.
  derive =
    {
      name,
      install,
      files,
      links ? { },
      only ? null,
      version ? (lookUp (builtins.head install)).version,
    }:
    derivation {
      inherit name system;
      builder = "builtin:debian";
      # The files of a view change with Debian's revision, and so must its path.
      debianVersion = version;
      # Changes when the builder makes another view of the same files.
      layout = 2;
      debian = builtins.toJSON (
        { inherit install files; }
        // (if links == { } then { } else { inherit links; })
        // (if only == null then { } else { inherit only; })
      );
    };

  # A row of the table: see packages.nix for its fields.
  fromRow =
    attr: given:
    if given == null then
      throw "pkgs.${attr} is not supported: Debian trixie has no such package"
    else
    let
      row = if builtins.isString given then { deb = given; } else given;
      deb = row.deb or attr;
      installed = [ deb ] ++ row."with" or [ ] ++ row.also or [ ];
      files = if row.bare or false then [ ] else [ deb ] ++ row."with" or [ ];
      pname = row.pname or attr;
      debianVersion = (lookUp deb).version;
      version = row.version or (upstreamVersion debianVersion);
      main = row.main or pname;
      dev = row.dev or null;
    in
    package {
      inherit pname version;
      drv = derive {
        name = nameOf pname version;
        install = installed;
        inherit files;
        links = row.links or { };
        only = row.only or null;
        version = debianVersion;
      };
      dev =
        if dev == null then
          null
        else
          fromRow "${pname}-dev" {
            deb = builtins.head (lib.toList dev);
            "with" = builtins.tail (lib.toList dev) ++ lib.optionals (row.devWithRuntime or true) files;
            main = null;
          };
      meta = (if main == null then { } else { mainProgram = main; }) // {
        description = (lookUp deb).description or "${pname}, from Debian";
      }
      // row.meta or { };
      passthru = {
        debian = {
          inherit files;
          install = installed;
          version = debianVersion;
        };
      }
      // row.passthru or { };
    };

  # What a row says, in full, for the checks of developers.
  describe =
    attr: given:
    let
      row = if builtins.isString given then { deb = given; } else given;
      deb = row.deb or attr;
      shown = [ deb ] ++ row."with" or [ ];
    in
    {
      install = shown ++ row.also or [ ];
      files = if row.bare or false then [ ] else shown;
      links = row.links or { };
      main = row.main or (row.pname or attr);
      dev = lib.toList (row.dev or [ ]);
    };

  # A view of several Debian packages that is no package of nixpkgs.
  view =
    {
      name,
      packages,
      extra ? [ ],
      links ? { },
      only ? null,
      meta ? { },
      passthru ? { },
    }:
    let
      debianVersion = (lookUp (builtins.head packages)).version;
      version = upstreamVersion debianVersion;
    in
    package {
      pname = name;
      inherit version meta passthru;
      drv = derive {
        name = nameOf name version;
        install = packages ++ extra;
        files = packages;
        inherit links only;
        version = debianVersion;
      };
    };
in
{
  inherit
    lookUp
    upstreamVersion
    package
    fromRow
    describe
    view
    suggestions
    nameOf
    ;
}

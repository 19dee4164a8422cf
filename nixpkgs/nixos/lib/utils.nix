# The module argument `utils`.
{ lib, config, pkgs }:
let
  escape = import ./systemd-escape.nix { inherit lib; };
in
rec {
  inherit (escape) escapeSystemdPath escapeSystemdExecArg escapeSystemdExecArgs;

  # A shell as a path: of a package, the one that it names in the running system.
  toShellPath = shell:
    if lib.isDerivation shell then "/run/current-system/sw${shell.shellPath or "/bin/${shell.meta.mainProgram or (lib.getName shell)}"}"
    else if lib.types.package.check shell then throw "${shell} is not a shell package"
    else shell;
  shellsInNixPath = builtins.filter lib.isDerivation;

  # File systems that the first process mounts.
  pathsNeededForBoot = [ "/" "/nix" "/nix/store" "/var" "/var/log" "/var/lib" "/var/lib/nixos" "/etc" "/usr" ];
  fsNeededForBoot = fs: fs.neededForBoot || lib.elem fs.mountPoint pathsNeededForBoot;
  # Whether `a` must be mounted before `b`.
  fsBefore = a: b:
    let
      slash = path: if lib.hasSuffix "/" path then path else "${path}/";
      normal = path: lib.removeSuffix "/" path;
      inside = path: lib.hasPrefix (slash a.mountPoint) (slash path);
    in
    inside (b.device or "" + "")
    && b.device or null != null
    || (inside b.mountPoint && normal a.mountPoint != normal b.mountPoint)
    || lib.elem a.mountPoint (b.depends or [ ]);

  removePackagesByName = packages: unwanted:
    let names = map lib.getName unwanted; in
    builtins.filter (pkg: !lib.elem (lib.getName pkg) names) packages;

  # Secrets of the form `{ _secret = "/path"; }`, by their place as jq writes it.
  recursiveGetAttrWithJqPrefix = attrs: name: lib.mapAttrs (_: found: found.${name}) (recursiveGetAttrsetWithJqPrefix attrs name);
  recursiveGetAttrsetWithJqPrefix = attrs: name:
    let
      go = prefix: value:
        if lib.isAttrs value && value ? ${name} then [ (lib.nameValuePair prefix value) ]
        else if lib.isDerivation value then [ ]
        else if lib.isAttrs value then lib.concatLists (lib.mapAttrsToList
          (key: go "${prefix}.\"${lib.escape [ "\"" "\\" ] key}\"")
          value)
        else if lib.isList value then lib.concatLists (lib.imap0 (index: go "${prefix}[${toString index}]") value)
        else [ ];
    in
    lib.listToAttrs (go "" attrs);

  genJqSecretsReplacementSnippet = set: output: genJqSecretsReplacementSnippet' "_secret" set output;
  # Shell commands that write `set` as JSON with each secret read from its file.
  genJqSecretsReplacementSnippet' = attr: set: output:
    let
      secrets = recursiveGetAttrsetWithJqPrefix set attr;
      paths = lib.attrNames secrets;
      stripped = lib.mapAttrsRecursiveCond (value: !(value ? ${attr})) (_: value: value) set;
      quote = secret: (secrets.${secret}.quote or true);
    in
    ''
      if [[ -h '${output}' ]]; then
        rm '${output}'
      fi
      inherit_errexit_enabled=0
      shopt -pq inherit_errexit && inherit_errexit_enabled=1
      shopt -s inherit_errexit
    ''
    + lib.concatStringsSep "\n" (lib.imap1
      (index: path: ''
        secret${toString index}=$(<'${secrets.${path}.${attr}}')
        export secret${toString index}
      '')
      paths)
    + "\n${pkgs.jq}/bin/jq >'${output}' "
    + lib.escapeShellArg (if paths == [ ] then "." else lib.concatStringsSep " | " (lib.imap1
      (index: path: "${path} = ($ENV.secret${toString index}${lib.optionalString (!(quote path)) " | fromjson"})")
      paths))
    + ''
       <<'EOF'
      ${builtins.toJSON stripped}
      EOF
      (( ! inherit_errexit_enabled )) && shopt -u inherit_errexit
    '';

  systemdUtils =
    let
      folder = ../modules/system/boot/systemd;
      own = name: import (folder + "/${name}.nix") { inherit lib config pkgs; };
    in
    {
      lib = own "lib";
      unitOptions = import (folder + "/unit-options.nix") { inherit lib; systemdUtils = { lib = own "lib"; }; };
    };
}

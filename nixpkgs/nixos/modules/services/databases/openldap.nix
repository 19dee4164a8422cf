# `services.openldap`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf mkOption mkDefault;
  inherit (import ../short.nix { inherit lib; }) option flag maybe enable package;
  cfg = config.services.openldap;
  managed = cfg.configDir == null;
  configDir = if managed then "/var/lib/openldap/slapd.d" else cfg.configDir;

  # ---- values: a text, `{ base64 }`, `{ path }`, or a list of them ----------------------------
  singleValue = types.either types.str (types.submodule {
    options.base64 = maybe types.str "The value in base 64.";
    options.path = maybe types.path "File that holds the value.";
  });
  attribute = types.either singleValue (types.listOf singleValue);

  entry = lib.mkOptionType rec {
    name = "entry of LDAP";
    description = name;
    inherit (entryModule) check merge getSubOptions getSubModules substSubModules emptyValue;
  };
  entryModule = types.submodule {
    options = {
      attrs = option (types.attrsOf attribute) { } "Attributes.";
      # Entries in entries: documentation of all levels would have no end.
      children = option (types.attrsOf entry) { } "Entries below, by relative name; each again has `attrs`, `children` and `includes`." // { visible = "shallow"; };
      includes = option (types.listOf types.path) [ ] "LDIF files of entries below.";
    };
  };

  attributeLines = name: value:
    if lib.isList value then
      lib.concatMapStrings (attributeLines name) value
    else if lib.isString value then
      "${name}: ${value}\n"
    else if value.base64 != null then
      "${name}:: ${value.base64}\n"
    else
      "${name}:< file://${value.path}\n";

  entryText = dn: entry:
    "dn: ${dn}\n"
    + lib.concatStrings (lib.mapAttrsToList attributeLines entry.attrs)
    + "\n"
    + lib.concatMapStrings (file: "include: file://${file}\n\n") entry.includes
    + lib.concatMapStrings (rdn: entryText "${rdn},${dn}" entry.children.${rdn}) (childOrder (lib.attrNames entry.children));

  # What the data bases need comes before them.
  childOrder = names:
    let
      isModule = lib.hasPrefix "cn=module";
      isSchema = lib.hasPrefix "cn=schema";
    in
    lib.filter isModule names ++ lib.filter isSchema names ++ lib.filter (n: !isModule n && !isSchema n) names;

  # Debian's slapd loads its back ends.
  databases = lib.filterAttrs (rdn: _: lib.hasPrefix "olcDatabase=" rdn) cfg.settings.children;
  kindOf = rdn: builtins.replaceStrings [ "olcDatabase=" ] [ "" ] (lib.last (lib.splitString "}" rdn));
  builtIn = [ "config" "frontend" "ldif" "monitor" ];
  backends = lib.unique (lib.filter (kind: !(lib.elem kind builtIn)) (map kindOf (lib.attrNames databases)));
  moduleEntries = lib.filter (lib.hasPrefix "cn=module") (lib.attrNames cfg.settings.children);
  moduleText = lib.optionalString (backends != [ ] && moduleEntries == [ ]) ''
    dn: cn=module{0},cn=config
    objectClass: olcModuleList
    cn: module{0}
    olcModulePath: /usr/lib/ldap
    ${lib.concatMapStrings (kind: "olcModuleLoad: back_${kind}\n") backends}
  '';

  configFile = pkgs.writeText "config.ldif" (
    entryText "cn=config" (cfg.settings // { children = { }; }) + moduleText
    + lib.concatMapStrings (rdn: entryText "${rdn},cn=config" cfg.settings.children.${rdn}) (childOrder (lib.attrNames cfg.settings.children))
  );

  # NixOS' slapd has its back ends built in. A configuration that is added by hand, and loads no module, is
  # given those of its data bases.
  slapadd = pkgs.writeShellScriptBin "slapadd" ''
    arguments=("$@") number= suffix= file=
    while getopts :b:cd:f:F:gj:l:n:o:qsS:uvw option; do
      case $option in
        b) suffix=$OPTARG ;;
        n) number=$OPTARG ;;
        l) file=$OPTARG ;;
      esac
    done
    if [ "$number" = 0 ] || [ "$suffix" = cn=config ]; then
      if [ -n "$file" ] && ! grep -qi "^olcModuleLoad:" "$file"; then
        made=$(mktemp)
        trap 'rm -f "$made"' EXIT
        kinds=$(sed -nE 's/^olcDatabase: *(\{[-0-9]*\})?([a-z_]+) *$/\2/Ip' "$file" | sort -u | grep -vxE "${lib.concatStringsSep "|" builtIn}")
        awk -v kinds="$kinds" '
          { print }
          !done && /^$/ && seen {
            count = split(kinds, kind, "\n")
            if (count) print "dn: cn=module{0},cn=config\nobjectClass: olcModuleList\ncn: module{0}\nolcModulePath: /usr/lib/ldap"
            for (i = 1; i <= count; i++) print "olcModuleLoad: back_" kind[i]
            if (count) print ""
            done = 1
          }
          /^dn:/ { seen = 1 }' "$file" >"$made"
        ${cfg.package}/bin/slapadd "''${arguments[@]}" -l "$made"
        exit
      fi
    fi
    exec ${cfg.package}/bin/slapadd "''${arguments[@]}"
  '';

  first = value: if lib.isList value then lib.head value else value;
  withSuffix = lib.filterAttrs (_: db: db.attrs ? olcSuffix && db.attrs ? olcDbDirectory) databases;
  directoryOf = suffix: (lib.head (lib.filter (db: first db.attrs.olcSuffix == suffix) (lib.attrValues withSuffix))).attrs.olcDbDirectory;
  directories = map (db: db.attrs.olcDbDirectory) (lib.attrValues (lib.filterAttrs (_: db: db.attrs ? olcDbDirectory) databases));

  as = "${pkgs.util-linux}/bin/setpriv --reuid ${cfg.user} --regid ${cfg.group} --init-groups";
  prepare = pkgs.writeShellScript "openldap-prepare" ''
    set -e
    mkdir -p /var/lib/openldap ${lib.escapeShellArgs directories}
    chown ${cfg.user}:${cfg.group} /var/lib/openldap ${lib.escapeShellArgs directories}
    ${lib.optionalString (directories != [ ]) "chmod 0700 ${lib.escapeShellArgs directories}"}
    ${lib.optionalString managed ''
      ${if cfg.mutableConfig then "if ! [ -e ${configDir}/cn=config.ldif ]; then" else "rm -rf ${configDir}"}
      install -d -m 0700 -o ${cfg.user} -g ${cfg.group} ${configDir}
      ${as} ${cfg.package}/bin/slapadd -F ${configDir} -b cn=config -l ${configFile}
      ${lib.optionalString cfg.mutableConfig "fi"}
      # A configuration that may not change is one that slapd cannot write.
      chmod -R ${if cfg.mutableConfig then "u+w" else "u-w"} ${configDir}
    ''}
    ${lib.concatStrings (
      lib.mapAttrsToList (suffix: contents: ''
        rm -rf ${directoryOf suffix}/*
        ${as} ${cfg.package}/bin/slapadd -F ${configDir} -b ${lib.escapeShellArg suffix} -l ${pkgs.writeText "contents.ldif" contents}
      '') cfg.declarativeContents
    )}
    ${as} ${cfg.package}/bin/slaptest -u -F ${configDir}
  '';
in
{
  options.services.openldap = {
    enable = enable "the LDAP server slapd";
    package = package "openldap" pkgs.openldap;
    user = option types.str "openldap" "User that the server runs as.";
    group = option types.str "openldap" "Group that the server runs as.";
    urlList = option (types.listOf types.str) [ "ldap:///" ] "Where to listen.";
    settings = mkOption {
      type = entryModule;
      default = { };
      description = "The configuration: the entry `cn=config` and what is below it.";
    };
    configDir = maybe types.path "Directory of a configuration that is kept by hand.";
    mutableConfig = flag false "Whether changes made in the running server are kept.";
    declarativeContents = option (types.attrsOf types.lines) { } "Contents of data bases, by suffix; loaded anew whenever the service starts.";
  };

  config = mkIf cfg.enable {
    assertions =
      lib.mapAttrsToList (suffix: _: {
        assertion = lib.any (db: first db.attrs.olcSuffix == suffix) (lib.attrValues withSuffix);
        message = "services.openldap.declarativeContents: no data base of services.openldap.settings has the suffix '${suffix}'";
      }) cfg.declarativeContents
      ++ [
        {
          assertion = cfg.declarativeContents == { } || managed;
          message = "services.openldap: declarativeContents excludes configDir";
        }
      ];

    services.openldap.settings = {
      attrs = {
        objectClass = "olcGlobal";
        cn = "config";
        olcPidFile = mkDefault "/run/openldap/slapd.pid";
      };
      children."cn=schema".attrs = {
        cn = "schema";
        objectClass = "olcSchemaConfig";
      };
    };

    environment.systemPackages = [ (lib.hiPrio slapadd) cfg.package ];
    users.users = mkIf (cfg.user == "openldap") {
      openldap = {
        group = cfg.group;
        isSystemUser = true;
      };
    };
    users.groups = mkIf (cfg.group == "openldap") { openldap = { }; };

    systemd.services.openldap = {
      description = "OpenLDAP Server Daemon";
      documentation = [ "man:slapd" "man:slapd-config" "man:slapd-mdb" ];
      wantedBy = [ "multi-user.target" ];
      wants = [ "network-online.target" ];
      after = [ "network-online.target" ];
      serviceConfig = {
        Type = "notify";
        User = cfg.user;
        Group = cfg.group;
        ExecStartPre = "+${prepare}";
        ExecStart = "${cfg.package}/libexec/slapd -d 0 -h ${lib.escapeShellArg (lib.concatStringsSep " " cfg.urlList)} -F ${configDir}";
        NotifyAccess = "all";
        # Debian's library has its socket, ldapi:///, in /run/slapd.
        RuntimeDirectory = "openldap slapd";
        StateDirectory = "openldap";
        StateDirectoryMode = "0700";
        AmbientCapabilities = [ "CAP_NET_BIND_SERVICE" ];
        CapabilityBoundingSet = [ "CAP_NET_BIND_SERVICE" ];
      };
    };
  };
}

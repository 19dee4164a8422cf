# `services.knot`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf mkOption;
  inherit (import ../short.nix { inherit lib; }) option flag maybe lines enable package;
  cfg = config.services.knot;

  # Knot's own format: like YAML, sections in an order in which names are defined before use.
  order = [ "module" "server" "xdp" "control" "log" "statistics" "database" "keystore" "key" "remote" "remotes" "acl" "submission" "dnskey-sync" "policy" ];
  last = [ "template" "zone" ];
  keyOf = section: { zone = "domain"; log = "target"; }.${section} or "id";
  # Sections whose settings stand in one block; all others are lists.
  single = [ "server" "xdp" "control" "statistics" "database" ];

  valueText = value:
    if lib.isBool value then
      (if value then "on" else "off")
    else if lib.isInt value then
      toString value
    else if lib.isList value then
      "[ ${lib.concatMapStringsSep ", " valueText value} ]"
    else
      ''"${lib.replaceStrings [ "\\" ''"'' ] [ "\\\\" ''\"'' ] (toString value)}"'';

  settingLines = indent: settings: lib.concatStrings (lib.mapAttrsToList (key: value: "${indent}${key}: ${valueText value}\n") settings);
  item = key: settings:
    "  - ${key}: ${valueText settings.${key}}\n" + settingLines "    " (removeAttrs settings [ key ]);
  sectionText = section: value:
    "${section}:\n"
    + (
      if lib.elem section single then
        settingLines "  " value
      else if lib.isList value then
        lib.concatMapStrings (item (keyOf section)) value
      else
        lib.concatStrings (lib.mapAttrsToList (name: settings: item (keyOf section) (settings // { ${keyOf section} = name; })) value)
    )
    + "\n";

  names = lib.attrNames cfg.settings;
  ordered =
    lib.filter (name: lib.elem name names) order
    ++ lib.filter (name: !(lib.elem name (order ++ last))) names
    ++ lib.filter (name: lib.elem name names) last;

  configFile =
    if cfg.settingsFile != null then
      cfg.settingsFile
    else
      pkgs.writeText "knot.conf" (
        lib.concatMapStrings (file: "include: ${file}\n") cfg.keyFiles
        + lib.concatMapStrings (section: sectionText section cfg.settings.${section}) ordered
        + cfg.extraConfig
      );

  socket = "/run/knot/knot.sock";
in
{
  options.services.knot = {
    enable = enable "the name server Knot";
    package = package "knot-dns" pkgs.knot-dns;
    enableXDP = flag false "Not supported.";
    extraArgs = option (types.listOf types.str) [ ] "Further arguments of the server.";
    keyFiles = option (types.listOf types.path) [ ] "Files with keys, which the configuration includes.";
    settings = option (types.attrsOf types.anything) { } "The configuration, by section.";
    settingsFile = maybe types.path "The configuration, instead of `settings`.";
    extraConfig = lines "Further text of the configuration.";
    checkConfig = flag true "Harmless: the server checks its configuration whenever it starts, whatever this says.";
  };

  config = mkIf cfg.enable {
    assertions = [
      {
        assertion = !cfg.enableXDP;
        message = "services.knot.enableXDP is not supported";
      }
      {
        assertion = cfg.settingsFile == null || (cfg.settings == { } && cfg.extraConfig == "");
        message = "services.knot: settingsFile excludes settings and extraConfig";
      }
    ];

    users.users.knot = {
      isSystemUser = true;
      group = "knot";
      description = "Knot daemon user";
    };
    users.groups.knot = { };
    environment.systemPackages = [ cfg.package ];
    environment.etc."knot/knot.conf".source = configFile;

    systemd.services.knot = {
      description = "Knot DNS server";
      documentation = [ "man:knotd(8)" ];
      wantedBy = [ "multi-user.target" ];
      wants = [ "network.target" ];
      after = [ "network.target" ];
      serviceConfig = {
        Type = "notify";
        ExecStartPre = "${cfg.package}/bin/knotc --config=/etc/knot/knot.conf conf-check";
        ExecStart = "${cfg.package}/bin/knotd --config=/etc/knot/knot.conf --socket=${socket} ${lib.escapeShellArgs cfg.extraArgs}";
        ExecReload = "${cfg.package}/bin/knotc --socket=${socket} reload";
        User = "knot";
        Group = "knot";
        AmbientCapabilities = [ "CAP_NET_BIND_SERVICE" ];
        CapabilityBoundingSet = [ "CAP_NET_BIND_SERVICE" ];
        RuntimeDirectory = "knot";
        StateDirectory = "knot";
        StateDirectoryMode = "0700";
        Restart = "on-abort";
        UMask = "0077";
        NoNewPrivileges = true;
        PrivateTmp = true;
      };
    };
  };
}

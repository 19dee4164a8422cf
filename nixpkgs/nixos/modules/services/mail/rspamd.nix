# `services.rspamd`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf mkDefault mkOption optionalString;
  inherit (import ../short.nix { inherit lib; }) option flag maybe lines enable package required;
  cfg = config.services.rspamd;
  postfix = config.services.postfix;
  unix = socket: lib.hasPrefix "/" socket;

  socketOptions = { options, config, ... }: {
    options = {
      socket = required types.str "Address and port, or a path.";
      mode = option types.str "0644" "Mode of a Unix socket.";
      owner = option types.str cfg.user "Its owner.";
      group = option types.str cfg.group "Its group.";
      rawEntry = mkOption { type = types.str; internal = true; description = "The entry of the configuration."; };
    };
    config.rawEntry = config.socket + optionalString (unix config.socket) (
      lib.concatMapStrings (key: optionalString options.${key}.isDefined " ${key}=${config.${key}}") [ "mode" "owner" "group" ]
    );
  };

  fileOf = name: if name == "rspamd_proxy" then "proxy" else name;
  workerOptions = { name, ... }: {
    options = {
      enable = maybe types.bool "Whether the worker runs.";
      type = required (types.nullOr (types.enum [ "normal" "controller" "fuzzy" "rspamd_proxy" "lua" "proxy" ])) "Kind of the worker." // {
        apply = kind: if kind == "proxy" then lib.warn "services.rspamd.workers.${name}.type: 'proxy' is called 'rspamd_proxy' now" "rspamd_proxy" else kind;
      };
      bindSockets = option (types.listOf (types.either types.str (types.submodule socketOptions))) [ ] "Where it listens." // {
        apply = map (each: if lib.isString each then { socket = each; rawEntry = each; } else each);
      };
      count = maybe types.int "How many processes.";
      includes = option (types.listOf types.str) [ ] "Files that are included.";
      extraConfig = lines "Further text of the worker.";
    };
    config = mkIf (lib.elem name [ "normal" "controller" "fuzzy" "rspamd_proxy" ]) {
      type = mkDefault name;
      includes = mkDefault [ "$CONFDIR/worker-${fileOf name}.inc" ];
      bindSockets =
        let socket = file: { socket = "/run/rspamd/${file}.sock"; mode = "0660"; owner = cfg.user; inherit (cfg) group; }; in
        mkDefault ({ normal = [ (socket "rspamd") ]; controller = [ "localhost:11334" ]; rspamd_proxy = [ (socket "proxy") ]; }.${name} or [ ]);
    };
  };

  fileOptions = prefix: { name, config, ... }: {
    options = {
      enable = flag true "Whether the file is there.";
      text = maybe types.lines "Its text.";
      source = required types.path "The file.";
    };
    config.source = mkIf (config.text != null) (mkDefault (pkgs.writeText "rspamd-${prefix}-${baseNameOf name}" config.text));
  };
  used = lib.filterAttrs (_: file: file.enable);

  include = name: ''
    .include "$CONFDIR/${name}"
    .include(try=true; priority=1,duplicate=merge) "$LOCAL_CONFDIR/local.d/${name}"
    .include(try=true; priority=10) "$LOCAL_CONFDIR/override.d/${name}"
  '';
  configFile = ''
    .include "$CONFDIR/common.conf"
    options {
      pidfile = "$RUNDIR/rspamd.pid";
      ${include "options.inc"}
    }
    logging {
      type = "syslog";
      ${include "logging.inc"}
    }
    ${lib.concatStrings (lib.mapAttrsToList (name: worker: ''
      worker "${worker.type}" {
        type = "${worker.type}";
        ${optionalString (worker.enable != null) "enabled = ${lib.boolToString worker.enable};"}
        ${lib.concatMapStrings (each: "bind_socket = \"${each.rawEntry}\";\n") worker.bindSockets}
        ${optionalString (worker.count != null) "count = ${toString worker.count};"}
        ${lib.concatMapStrings (file: ".include \"${file}\"\n") worker.includes}
        .include(try=true; priority=1,duplicate=merge) "$LOCAL_CONFDIR/local.d/worker-${fileOf name}.inc"
        .include(try=${lib.boolToString (worker.extraConfig == "")}; priority=10) "$LOCAL_CONFDIR/override.d/worker-${fileOf name}.inc"
      }
    '') cfg.workers)}
    ${optionalString (cfg.extraConfig != "") ".include(priority=10) \"$LOCAL_CONFDIR/override.d/extra-config.inc\""}
  '';
  etc = folder: lib.mapAttrs' (name: file: lib.nameValuePair "rspamd/${folder}/${name}" { inherit (file) source; }) ;
in
{
  imports = [
    (lib.mkRenamedOptionModule [ "services" "rspamd" "bindSocket" ] [ "services" "rspamd" "workers" "normal" "bindSockets" ])
    (lib.mkRenamedOptionModule [ "services" "rspamd" "bindUISocket" ] [ "services" "rspamd" "workers" "controller" "bindSockets" ])
  ];

  options.services.rspamd = {
    enable = enable "rspamd, which tells spam";
    package = package "rspamd" pkgs.rspamd;
    debug = flag false "Whether it logs what it does.";
    locals = option (types.attrsOf (types.submodule (fileOptions "locals"))) { } "Files of local.d, by name.";
    overrides = option (types.attrsOf (types.submodule (fileOptions "overrides"))) { } "Files of override.d, by name.";
    localLuaRules = maybe types.path "Rules in Lua.";
    workers = option (types.attrsOf (types.submodule workerOptions)) { normal = { }; controller = { }; } "Workers, by name.";
    extraConfig = lines "Further text of the configuration.";
    user = option types.str "rspamd" "User that it runs as.";
    group = option types.str "rspamd" "Group that it runs as.";
    postfix.enable = flag false "Whether Postfix asks it.";
    postfix.config = option (types.attrsOf (types.oneOf [ types.bool types.str (types.listOf types.str) ])) {
      smtpd_milters = [ "unix:/run/rspamd/rspamd-milter.sock" ];
      non_smtpd_milters = [ "unix:/run/rspamd/rspamd-milter.sock" ];
    } "What Postfix is told for that.";
  };

  config = mkIf cfg.enable {
    services.rspamd.overrides =
      lib.mapAttrs' (name: worker: lib.nameValuePair "worker-${fileOf name}.inc" { text = worker.extraConfig; }) (lib.filterAttrs (_: worker: worker.extraConfig != "") cfg.workers)
      // lib.optionalAttrs (cfg.extraConfig != "") { "extra-config.inc".text = cfg.extraConfig; };
    services.rspamd.workers = mkIf cfg.postfix.enable {
      controller = { };
      rspamd_proxy = {
        bindSockets = [ { mode = "0660"; socket = "/run/rspamd/rspamd-milter.sock"; owner = cfg.user; inherit (postfix) group; } ];
        extraConfig = ''
          upstream "local" {
            default = yes;
            self_scan = yes;
          }
        '';
      };
    };
    services.postfix.config = mkIf cfg.postfix.enable cfg.postfix.config;
    systemd.services.postfix.serviceConfig.SupplementaryGroups = mkIf cfg.postfix.enable [ postfix.group ];

    environment.systemPackages = [ cfg.package ];
    users.users.${cfg.user} = { description = "rspamd daemon"; uid = config.ids.uids.rspamd; inherit (cfg) group; };
    users.groups.${cfg.group}.gid = config.ids.gids.rspamd;
    # Debian's rspamd looks for what it brings beside what the options say.
    environment.etc =
      {
        "rspamd/rspamd.conf".text = configFile;
      }
      // lib.genAttrs' [
        "actions.conf" "cgp.inc" "common.conf" "composites.conf" "groups.conf" "lang_detection.inc" "logging.inc" "metrics.conf" "modules.conf"
        "options.inc" "settings.conf" "statistic.conf" "worker-controller.inc" "worker-fuzzy.inc" "worker-normal.inc" "worker-proxy.inc"
        "maps.d" "modules.d" "scores.d"
      ] (name: lib.nameValuePair "rspamd/${name}" { source = "${cfg.package}/etc/rspamd/${name}"; })
      // etc "local.d" (used cfg.locals)
      // etc "override.d" (used cfg.overrides)
      // lib.optionalAttrs (cfg.localLuaRules != null) { "rspamd/rspamd.local.lua".source = cfg.localLuaRules; };

    systemd.services.rspamd = {
      description = "Rspamd Service";
      wantedBy = [ "multi-user.target" ];
      after = [ "network.target" ];
      serviceConfig = {
        ExecStart = "${cfg.package}/bin/rspamd ${optionalString cfg.debug "-d"} -c /etc/rspamd/rspamd.conf -f";
        Restart = "always";
        User = cfg.user;
        Group = cfg.group;
        SupplementaryGroups = mkIf cfg.postfix.enable [ postfix.group ];
        RuntimeDirectory = "rspamd";
        RuntimeDirectoryMode = "0755";
        StateDirectory = "rspamd";
        StateDirectoryMode = "0700";
        NoNewPrivileges = true;
        PrivateDevices = true;
        PrivateTmp = true;
        ProtectHome = true;
        ProtectSystem = "strict";
        UMask = "0077";
      };
    };
  };
}

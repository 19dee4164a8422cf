# `services.uwsgi`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf mkOption;
  inherit (import ../short.nix { inherit lib; }) option enable;
  cfg = config.services.uwsgi;
  emperor = cfg.instance.type == "emperor";
  # Those of Debian's; the rest is part of the program or of its package.
  plugins = {
    python3 = "uwsgi-plugin-python3";
    php = "uwsgi-plugin-php";
    lua = "uwsgi-plugin-lua51";
    psgi = "uwsgi-plugin-psgi";
    rack = "uwsgi-plugin-rack-ruby3.3";
    router_access = "uwsgi-plugin-router-access";
    ldap = "uwsgi-plugin-ldap";
  };
  build =
    name: instance:
    let
      used = lib.unique (
        if lib.all (plugin: lib.elem plugin cfg.plugins) (instance.plugins or [ ]) then instance.plugins or cfg.plugins
        else throw "services.uwsgi.instance: it names plugins that services.uwsgi.plugins does not"
      );
      python = lib.elem "python3" used;
      environment = pkgs.python3.withPackages (instance.pythonPackages or (_: [ ]));
      given = instance.env or [ ];
      paths = lib.partition (lib.hasPrefix "PATH=") given;
      body =
        if instance.type == "normal" then
          # A server of HTTP is part of nixpkgs' program; Debian's loads it.
          { plugins = lib.optionals (lib.any (key: key == "http" || key == "https") (lib.attrNames instance)) [ "corerouter" "http" ] ++ used; }
          // removeAttrs instance [ "type" "pythonPackages" ]
          // lib.optionalAttrs python {
            # Debian's interpreter finds modules of the store by this path.
            pythonpath = lib.toList (instance.pythonpath or [ ]) ++ [ "${environment}/${pkgs.python3.sitePackages}" ];
            env = [ "PATH=${lib.concatStringsSep ":" (map (lib.removePrefix "PATH=") paths.right ++ [ "${environment}/bin" ])}" ] ++ paths.wrong;
          }
        else if instance.type == "emperor" then
          {
            emperor = if lib.isAttrs instance.vassals then
              pkgs.linkFarm "vassals" (lib.mapAttrsToList (vassal: settings: { name = "${vassal}.json"; path = build vassal settings; }) instance.vassals)
            else instance.vassals;
          }
          // removeAttrs instance [ "type" "vassals" ]
        else
          throw "services.uwsgi.instance.type is 'normal' or 'emperor'";
    in
    pkgs.writeText "${name}.json" (builtins.toJSON { uwsgi = body; });
  value = types.nullOr (types.oneOf [ types.bool types.int types.float types.str (types.lazyAttrsOf value) (types.listOf value) (types.functionTo types.raw) types.package types.path ]) // { description = "JSON or a function"; };
in
{
  options.services.uwsgi = {
    enable = enable "uWSGI";
    runDir = option types.path "/run/uwsgi" "Folder for sockets.";
    package = mkOption { type = types.package; internal = true; default = pkgs.uwsgi; description = "uWSGI: Debian's."; };
    instance = option value { type = "normal"; } "The server: `type` is normal or emperor; a normal one's `pythonPackages` is a function from packages to a list, an emperor's `vassals` are further servers.";
    plugins = option (types.listOf types.str) [ ] "Plugins.";
    user = option types.str "uwsgi" "User that it runs as.";
    group = option types.str "uwsgi" "Group that it runs as.";
    capabilities = mkOption {
      type = types.listOf types.str;
      default = [ ];
      apply = list: list ++ lib.optionals emperor [ "CAP_SETUID" "CAP_SETGID" "CAP_SYS_CHROOT" "CAP_SETPCAP" "CAP_CHOWN" ];
      description = "What it may do although it is not root.";
    };
  };

  config = mkIf cfg.enable {
    snowglobe.refused = mkIf (lib.any (plugin: !(plugins ? ${plugin})) cfg.plugins) {
      "services.uwsgi.plugins" = "Debian has no plugin ${lib.concatStringsSep ", " (lib.filter (plugin: !(plugins ? ${plugin})) cfg.plugins)}";
    };
    snowglobe.system.debianPackages = map (plugin: plugins.${plugin}) (lib.filter (plugin: plugins ? ${plugin}) cfg.plugins);
    systemd.tmpfiles.rules = lib.optional (cfg.runDir != "/run/uwsgi") "d ${cfg.runDir} 775 ${cfg.user} ${cfg.group}";
    users.users = mkIf (cfg.user == "uwsgi") { uwsgi = { inherit (cfg) group; uid = config.ids.uids.uwsgi; }; };
    users.groups = mkIf (cfg.group == "uwsgi") { uwsgi.gid = config.ids.gids.uwsgi; };
    systemd.services.uwsgi = {
      description = "uWSGI";
      wantedBy = [ "multi-user.target" ];
      serviceConfig = {
        User = cfg.user;
        Group = cfg.group;
        Type = "notify";
        ExecStart = "${cfg.package}/bin/uwsgi --json ${build "server" cfg.instance}";
        ExecReload = "${pkgs.coreutils}/bin/kill -HUP $MAINPID";
        ExecStop = "${pkgs.coreutils}/bin/kill -INT $MAINPID";
        NotifyAccess = "main";
        KillSignal = "SIGQUIT";
        AmbientCapabilities = cfg.capabilities;
        CapabilityBoundingSet = cfg.capabilities;
        RuntimeDirectory = mkIf (cfg.runDir == "/run/uwsgi") "uwsgi";
      };
    };
  };
}

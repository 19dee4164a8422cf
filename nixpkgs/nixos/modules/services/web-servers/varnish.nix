# `services.varnish`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf;
  inherit (import ../short.nix { inherit lib; }) option flag maybe enable package required;
  cfg = config.services.varnish;
  state = "/var/run/varnishd";
  program = "-f ${pkgs.writeText "default.vcl" cfg.config}"
    + lib.optionalString (cfg.extraModules != [ ]) " -p vmod_path='${lib.concatMapStringsSep ":" (p: "${p}/lib/varnish/vmods") ([ cfg.package ] ++ cfg.extraModules)}' -r vmod_path";
  address =
    entry:
    let
      unix = lib.hasPrefix "/" entry.address;
      abstract = lib.hasPrefix "@" entry.address;
      place = if unix || abstract then entry.address else "${entry.address}:${toString entry.port}";
      rights = lib.optionalString unix (lib.concatMapStrings (key: lib.optionalString (entry.${key} != null) ",${key}=${entry.${key}}") [ "user" "group" "mode" ]);
    in
    " -a ${lib.optionalString (entry.name != null) "${entry.name}="}${place},${entry.proto}${rights}";
in
{
  options.services.varnish = {
    enable = enable "the cache Varnish";
    enableConfigCheck = flag true "Whether the configuration is compiled before the service starts, so that a mistake is told.";
    package = package "varnish" pkgs.varnish;
    http_address = maybe types.str "Address and port for HTTP, in Varnish's form; if neither this nor `listen` is set: `*:6081`.";
    listen = option (types.listOf (types.submodule {
      options = {
        name = maybe types.str "Name of the socket.";
        address = option types.str "*" "Address, path of a Unix socket, or `@name` of an abstract one.";
        port = option types.port 6081 "Port, if it is an address of IP.";
        proto = option (types.enum [ "HTTP" "PROXY" ]) "HTTP" "What is spoken there.";
        user = maybe types.str "Owner of a Unix socket.";
        group = maybe types.str "Group of a Unix socket.";
        mode = maybe types.str "Mode of a Unix socket.";
      };
    })) [ ] "Where requests are awaited.";
    config = required types.lines "The program in VCL.";
    extraModules = option (types.listOf types.package) [ ] "Further modules.";
    extraCommandLine = option types.str "" "Further arguments of varnishd.";
  };

  config = mkIf cfg.enable {
    environment.systemPackages = [ cfg.package ];
    users.users.varnish = { group = "varnish"; uid = config.ids.uids.varnish; };
    users.groups.varnish.gid = config.ids.gids.varnish;
    # Where Debian's programs look for it.
    systemd.tmpfiles.rules = [ "d /var/lib/varnish 0755 root root -" "L+ /var/lib/varnish/varnishd - - - - ${state}" ];
    systemd.services.varnish = {
      description = "Varnish";
      wantedBy = [ "multi-user.target" ];
      after = [ "network.target" ];
      serviceConfig = {
        Type = "simple";
        ExecStartPre = mkIf cfg.enableConfigCheck "/bin/sh -c 'exec ${cfg.package}/bin/varnishd -C -n $RUNTIME_DIRECTORY/check ${program} >/dev/null'";
        ExecStart = "${cfg.package}/bin/varnishd${
          if cfg.http_address != null then " -a ${cfg.http_address}" else lib.optionalString (cfg.listen == [ ]) " -a *:6081"
        }${lib.concatMapStrings address cfg.listen} -n ${state} -F ${cfg.extraCommandLine} ${program}";
        Restart = "always";
        RestartSec = "5s";
        User = "varnish";
        Group = "varnish";
        RuntimeDirectory = "varnishd";
        AmbientCapabilities = "cap_net_bind_service";
        NoNewPrivileges = true;
        LimitNOFILE = 131072;
      };
    };
  };
}

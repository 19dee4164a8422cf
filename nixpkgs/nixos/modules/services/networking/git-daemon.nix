# `services.gitDaemon`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf optionalString;
  inherit (import ../short.nix { inherit lib; }) option flag enable package;
  cfg = config.services.gitDaemon;
in
{
  options.services.gitDaemon = {
    enable = enable "the Git daemon, which serves repositories without authentication";
    package = package "git" pkgs.git;
    basePath = option types.str "" "Directory that paths of requests start from.";
    exportAll = flag false "Whether to serve repositories without the file `git-daemon-export-ok`.";
    repositories = option (types.listOf types.str) [ ] "Directories that may be served; default: all.";
    listenAddress = option types.str "" "Address; default: all.";
    port = option types.port 9418 "Port.";
    options = option types.str "" "Further arguments.";
    user = option types.str "git" "User that the daemon runs as.";
    group = option types.str "git" "Group that the daemon runs as.";
  };

  config = mkIf cfg.enable {
    users.users = mkIf (cfg.user == "git") {
      git = {
        uid = config.ids.uids.git;
        group = "git";
        description = "Git daemon user";
      };
    };
    users.groups = mkIf (cfg.group == "git") { git.gid = config.ids.gids.git; };

    systemd.services.git-daemon = {
      description = "Git daemon";
      after = [ "network.target" ];
      wantedBy = [ "multi-user.target" ];
      # Which repositories are served, `git-daemon-export-ok` says; whose they are does not matter.
      environment = {
        GIT_CONFIG_COUNT = "1";
        GIT_CONFIG_KEY_0 = "safe.directory";
        GIT_CONFIG_VALUE_0 = "*";
      };
      script =
        "exec ${lib.getExe cfg.package} daemon --reuseaddr "
        + optionalString (cfg.basePath != "") "--base-path=${cfg.basePath} "
        + optionalString (cfg.listenAddress != "") "--listen=${cfg.listenAddress} "
        + "--port=${toString cfg.port} --user=${cfg.user} --group=${cfg.group} ${cfg.options} --verbose "
        + optionalString cfg.exportAll "--export-all "
        + toString cfg.repositories;
    };
  };
}

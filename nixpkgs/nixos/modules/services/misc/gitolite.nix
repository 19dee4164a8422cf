# `services.gitolite`: repositories, and who may do what with them.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf;
  inherit (import ../short.nix { inherit lib; }) option flag lines enable required;
  cfg = config.services.gitolite;
  key = "${pkgs.writeTextDir "gitolite-admin.pub" cfg.adminPubkey}/gitolite-admin.pub";
in
{
  options.services.gitolite = {
    enable = enable "gitolite";
    dataDir = option types.str "/var/lib/gitolite" "Home of gitolite.";
    adminPubkey = required types.str "Public key of who governs it first.";
    enableGitAnnex = flag false "Whether git-annex is spoken.";
    commonHooks = option (types.listOf types.path) [ ] "Hooks of all repositories.";
    extraGitoliteRc = lines "Text that is added to gitolite's rc file.";
    user = option types.str "gitolite" "User of gitolite.";
    description = option types.str "Gitolite user" "What that user is called.";
    group = option types.str "gitolite" "Group of gitolite.";
  };

  config = mkIf cfg.enable {
    services.gitolite.extraGitoliteRc = mkIf cfg.enableGitAnnex "push( @{$RC{ENABLE}}, 'git-annex-shell ua');";
    users.users.${cfg.user} = { inherit (cfg) description group; home = cfg.dataDir; uid = config.ids.uids.gitolite; useDefaultShell = true; };
    users.groups.${cfg.group}.gid = config.ids.gids.gitolite;
    environment.systemPackages = [ pkgs.gitolite pkgs.git ] ++ lib.optional cfg.enableGitAnnex pkgs.git-annex;
    systemd.services.gitolite-init = {
      description = "Gitolite initialization";
      wantedBy = [ "multi-user.target" ];
      unitConfig.RequiresMountsFor = cfg.dataDir;
      path = [ pkgs.gitolite pkgs.git pkgs.perl pkgs.bash pkgs.diffutils pkgs.openssh ];
      serviceConfig = {
        Type = "oneshot";
        User = cfg.user;
        Group = cfg.group;
        WorkingDirectory = "~";
        RemainAfterExit = true;
        StateDirectory = mkIf (cfg.dataDir == "/var/lib/gitolite") "gitolite gitolite/.gitolite gitolite/.gitolite/logs";
        StateDirectoryMode = mkIf (cfg.dataDir == "/var/lib/gitolite") "0750";
      };
      script = ''
        rc=.gitolite.rc
        gitolite print-default-rc >.gitolite.rc.default
        # A file that somebody changed stays, if nothing else is wanted.
        if [ -e "$rc" ] && ! [ -e .gitolite.rc.ours ] && ! cmp -s "$rc" .gitolite.rc.default; then
          ${lib.optionalString (cfg.extraGitoliteRc != "") ''
            echo ".gitolite.rc was changed by hand: services.gitolite.extraGitoliteRc cannot be added to it"
            exit 1
          ''}
          :
        else
          ${
            if cfg.extraGitoliteRc != "" then
              ''
                { cat .gitolite.rc.default ${pkgs.writeText "gitolite.rc" "\n${cfg.extraGitoliteRc}\n1;\n"}; } >$rc
                touch .gitolite.rc.ours
              ''
            else
              "rm -f $rc .gitolite.rc.ours"
          }
        fi
        [ -d repositories ] || gitolite setup -pk ${key}
        ${lib.optionalString (cfg.commonHooks != [ ]) ''
          cp -f ${toString cfg.commonHooks} .gitolite/hooks/common/
          chmod +x .gitolite/hooks/common/*
        ''}
        gitolite setup
      '';
    };
  };
}

# Small programs that need no module of their own.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.programs;

  lines = default: description: mkOption {
    type = types.lines;
    inherit default description;
  };
  flag = default: description: mkOption {
    type = types.bool;
    inherit default description;
  };

  # Programs that are only installed.
  plain = {
    htop = pkgs.htop;
    iotop = pkgs.iotop;
    mtr = pkgs.mtr;
    tcpdump = pkgs.tcpdump;
    traceroute = pkgs.traceroute;
    iftop = pkgs.iftop;
    screen = pkgs.screen;
    wireshark = pkgs.wireshark;
    firefox = pkgs.firefox;
    chromium = pkgs.chromium;
    usbtop = pkgs.usbtop;
    sysdig = pkgs.sysdig;
    bandwhich = pkgs.bandwhich;
    liboping = pkgs.liboping;
  };
  # Those which upstream makes a wrapper with rights for.
  capable = {
    mtr = "cap_net_raw+p";
    tcpdump = "cap_net_raw+p";
    traceroute = "cap_net_raw+p";
    iftop = "cap_net_raw+p";
    liboping = "cap_net_raw+p";
  };
  enabled = lib.filter (name: cfg.${name}.enable) (lib.attrNames plain);

  gitIni = lib.generators.toGitINI;
in
{
  options.programs = lib.mapAttrs (name: package: {
    enable = flag false "Whether ${name} is installed.";
    package = mkOption { type = types.package; default = package; description = "The package of ${name}."; };
  }) plain
  // {
    less = {
      enable = flag true "Whether less is set up.";
      package = mkOption { type = types.package; default = pkgs.less; description = "less."; };
      envVariables = mkOption { type = types.attrsOf types.str; default = { LESS = "-R"; }; description = "Variables for less."; };
      lessopen = mkOption { type = types.nullOr types.str; default = null; description = "Filter of less."; };
      lessclose = mkOption { type = types.nullOr types.str; default = null; description = "Filter's end."; };
      commands = mkOption { type = types.attrsOf types.str; default = { }; description = "Keys of less."; };
    };
    nano = {
      enable = flag true "Whether nano is installed.";
      package = mkOption { type = types.package; default = pkgs.nano; description = "nano."; };
      nanorc = lines "" "Text of /etc/nanorc.";
      syntaxHighlight = flag true "Whether nano has colours.";
    };
    vim = {
      enable = flag false "Whether vim is installed.";
      defaultEditor = flag false "Whether vim is the editor.";
      package = mkOption { type = types.package; default = pkgs.vim; description = "vim."; };
    };
    neovim = {
      enable = flag false "Whether neovim is installed.";
      defaultEditor = flag false "Whether neovim is the editor.";
      package = mkOption { type = types.package; default = pkgs.neovim; description = "neovim."; };
    };
    git = {
      enable = flag false "Whether git is installed.";
      package = mkOption { type = types.package; default = pkgs.git; description = "git."; };
      config = mkOption {
        type = types.coercedTo (types.attrsOf (types.attrsOf types.anything)) lib.singleton (types.listOf (types.attrsOf (types.attrsOf types.anything)));
        default = [ ];
        description = "Text of /etc/gitconfig, as sections.";
      };
      prompt.enable = flag false "Whether the prompt shows the branch.";
      lfs.enable = flag false "Whether git-lfs is installed.";
    };
    tmux = {
      enable = flag false "Whether tmux is installed.";
      extraConfig = lines "" "Text of /etc/tmux.conf.";
      clock24 = flag false "Whether the clock counts to 24.";
      keyMode = mkOption { type = types.enum [ "emacs" "vi" ]; default = "emacs"; description = "Keys."; };
      baseIndex = mkOption { type = types.int; default = 0; description = "Number of the first window."; };
      terminal = mkOption { type = types.str; default = "screen"; description = "TERM inside."; };
      historyLimit = mkOption { type = types.int; default = 2000; description = "Lines that are kept."; };
      escapeTime = mkOption { type = types.int; default = 500; description = "Milliseconds that Escape is waited for."; };
      shortcut = mkOption { type = types.str; default = "b"; description = "The prefix key, with Control."; };
    };
    fuse = {
      enable = flag false "Whether users may mount.";
      mountMax = mkOption { type = types.ints.between 0 32767; default = 1000; description = "How many mounts."; };
      userAllowOther = flag false "Whether mounts may be opened to others.";
    };
    dconf = {
      enable = flag false "Whether dconf is installed.";
      packages = mkOption { type = types.listOf types.package; default = [ ]; description = "Packages with settings."; };
    };
    nix-ld.enable = flag false "Without effect: programs of other systems run as they are.";
    command-not-found.enable = flag false "Without effect: there is no channel to look in.";
    mosh.enable = flag false "Whether mosh is installed.";
    extra-container.enable = mkOption { type = types.bool; default = false; apply = value: if value then throw "programs.extra-container.enable is not supported" else value; description = "Not supported."; };
  };

  config = lib.mkMerge [
    {
      environment.systemPackages = map (name: cfg.${name}.package) enabled;
      security.wrappers = lib.listToAttrs (
        map (
          name:
          lib.nameValuePair name {
            owner = "root";
            group = "root";
            capabilities = capable.${name};
            source = lib.getExe cfg.${name}.package;
          }
        ) (lib.filter (name: capable ? ${name}) enabled)
      );
    }
    (lib.mkIf cfg.less.enable {
      environment.systemPackages = [ cfg.less.package ];
      environment.variables = cfg.less.envVariables // lib.optionalAttrs (cfg.less.lessopen != null) { LESSOPEN = cfg.less.lessopen; }
        // lib.optionalAttrs (cfg.less.lessclose != null) { LESSCLOSE = cfg.less.lessclose; }
        // lib.optionalAttrs (cfg.less.commands != { }) {
          LESSKEYIN_SYSTEM = toString (pkgs.writeText "lessconfig" "#command\n${lib.concatStrings (lib.mapAttrsToList (key: action: "${key} ${action}\n") cfg.less.commands)}");
        };
    })
    (lib.mkIf cfg.nano.enable {
      environment.systemPackages = [ cfg.nano.package ];
      environment.etc.nanorc.text = lib.optionalString cfg.nano.syntaxHighlight "include \"/usr/share/nano/*.nanorc\"\n" + cfg.nano.nanorc;
    })
    (lib.mkIf cfg.vim.enable {
      environment.systemPackages = [ cfg.vim.package ];
      environment.variables.EDITOR = lib.mkIf cfg.vim.defaultEditor (lib.mkOverride 900 "vim");
    })
    (lib.mkIf cfg.neovim.enable {
      environment.systemPackages = [ cfg.neovim.package ];
      environment.variables.EDITOR = lib.mkIf cfg.neovim.defaultEditor (lib.mkOverride 900 "nvim");
    })
    (lib.mkIf cfg.git.enable {
      environment.systemPackages = [ cfg.git.package ] ++ lib.optional cfg.git.lfs.enable pkgs.git-lfs;
      environment.etc.gitconfig = lib.mkIf (cfg.git.config != [ ]) { text = lib.concatMapStringsSep "\n" gitIni cfg.git.config; };
    })
    (lib.mkIf cfg.tmux.enable {
      environment.systemPackages = [ pkgs.tmux ];
      environment.etc."tmux.conf".text = ''
        set -g default-terminal "${cfg.tmux.terminal}"
        set -g base-index ${toString cfg.tmux.baseIndex}
        setw -g pane-base-index ${toString cfg.tmux.baseIndex}
        set -g status-keys ${cfg.tmux.keyMode}
        set -g mode-keys ${cfg.tmux.keyMode}
        set -g prefix C-${cfg.tmux.shortcut}
        setw -g clock-mode-style ${if cfg.tmux.clock24 then "24" else "12"}
        set -s escape-time ${toString cfg.tmux.escapeTime}
        set -g history-limit ${toString cfg.tmux.historyLimit}
        ${cfg.tmux.extraConfig}
      '';
    })
    (lib.mkIf cfg.fuse.enable {
      environment.systemPackages = [ pkgs.fuse3 ];
      boot.kernelModules = [ "fuse" ];
      environment.etc."fuse.conf".text = "${lib.optionalString cfg.fuse.userAllowOther "user_allow_other\n"}mount_max = ${toString cfg.fuse.mountMax}\n";
    })
    (lib.mkIf cfg.dconf.enable {
      environment.systemPackages = [ pkgs.dconf ];
      services.dbus.packages = [ pkgs.dconf ];
    })
    (lib.mkIf cfg.mosh.enable {
      environment.systemPackages = [ pkgs.mosh ];
      networking.firewall.allowedUDPPortRanges = [ { from = 60000; to = 61000; } ];
    })
  ];
}

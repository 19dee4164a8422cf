# `programs.ssh`: the client.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.programs.ssh;

  host = { name, ... }: {
    options = {
      certAuthority = mkOption { type = types.bool; default = false; description = "Whether the key signs keys of hosts."; };
      hostNames = mkOption { type = types.listOf types.str; default = [ name ]; description = "Names and addresses of the host."; };
      extraHostNames = mkOption { type = types.listOf types.str; default = [ ]; description = "Further names."; };
      publicKey = mkOption { type = types.nullOr types.str; default = null; description = "The key."; };
      publicKeyFile = mkOption { type = types.nullOr types.path; default = null; description = "File with the key."; };
    };
  };

  knownHosts = lib.concatMapStrings (
    host:
    let
      names = lib.concatStringsSep "," (host.hostNames ++ host.extraHostNames);
      prefix = lib.optionalString host.certAuthority "@cert-authority ";
      keys = if host.publicKey != null then [ host.publicKey ] else lib.filter (line: line != "") (lib.splitString "\n" (builtins.readFile host.publicKeyFile));
    in
    lib.concatMapStrings (key: "${prefix}${names} ${key}\n") keys
  ) (lib.attrValues cfg.knownHosts);

  list = name: values: lib.optionalString (values != null && values != [ ]) "${name} ${lib.concatStringsSep "," values}\n";
in
{
  options.programs.ssh = {
    package = mkOption { type = types.package; default = pkgs.openssh; description = "OpenSSH."; };
    knownHosts = mkOption { type = types.attrsOf (types.submodule host); default = { }; description = "Keys of hosts."; };
    knownHostsFiles = mkOption { type = types.listOf types.path; default = [ ]; description = "Further files of keys of hosts."; };
    extraConfig = mkOption { type = types.lines; default = ""; description = "Text at the start of ssh_config."; };
    forwardX11 = mkOption { type = types.nullOr types.bool; default = false; description = "Whether X11 is forwarded."; };
    setXAuthLocation = mkOption { type = types.bool; default = config.services.xserver.enable or false; description = "Whether xauth is named."; };
    startAgent = mkOption { type = types.bool; default = false; description = "Whether every user has an agent."; };
    agentTimeout = mkOption { type = types.nullOr types.str; default = null; description = "How long the agent keeps keys."; };
    enableAskPassword = mkOption { type = types.bool; default = false; description = "Not supported: asking for passwords in a window."; };
    askPassword = mkOption { type = types.str; default = ""; description = "Program that asks for passwords."; };
    hostKeyAlgorithms = mkOption { type = types.listOf types.str; default = [ ]; description = "Kinds of host keys."; };
    pubkeyAcceptedKeyTypes = mkOption { type = types.listOf types.str; default = [ ]; description = "Kinds of keys."; };
    kexAlgorithms = mkOption { type = types.nullOr (types.listOf types.str); default = null; description = "Key exchanges."; };
    ciphers = mkOption { type = types.nullOr (types.listOf types.str); default = null; description = "Ciphers."; };
    macs = mkOption { type = types.nullOr (types.listOf types.str); default = null; description = "Message authentication codes."; };
    systemd-ssh-proxy.enable = mkOption { type = types.bool; default = true; description = "Without effect in a machine: reaching virtual machines by vsock."; };
  };

  config = {
    snowglobe.refused = lib.optionalAttrs cfg.enableAskPassword { "programs.ssh.enableAskPassword" = "use programs.ssh.askPassword"; };
    environment.variables = lib.optionalAttrs (cfg.askPassword != "") { SSH_ASKPASS = cfg.askPassword; };

    environment.etc = {
      "ssh/ssh_config".text = ''
        ${cfg.extraConfig}
        Host *
        GlobalKnownHostsFile ${toString ([ "/etc/ssh/ssh_known_hosts" ] ++ map toString cfg.knownHostsFiles)}
        ${lib.optionalString (!config.networking.enableIPv6) "AddressFamily inet"}
        ${lib.optionalString cfg.setXAuthLocation "XAuthLocation /usr/bin/xauth"}
        ${lib.optionalString (cfg.forwardX11 != null) "ForwardX11 ${if cfg.forwardX11 then "yes" else "no"}"}
        ${list "PubkeyAcceptedKeyTypes" cfg.pubkeyAcceptedKeyTypes}${list "HostKeyAlgorithms" cfg.hostKeyAlgorithms}${list "KexAlgorithms" cfg.kexAlgorithms}${list "Ciphers" cfg.ciphers}${list "MACs" cfg.macs}
      '';
      "ssh/ssh_known_hosts" = lib.mkIf (cfg.knownHosts != { }) { text = knownHosts; };
    };

    systemd.user.services.ssh-agent = lib.mkIf cfg.startAgent {
      description = "SSH Agent";
      wantedBy = [ "default.target" ];
      unitConfig.ConditionUser = "!@system";
      serviceConfig = {
        ExecStartPre = "/bin/rm -f %t/ssh-agent";
        ExecStart = [ "" "/usr/bin/ssh-agent -D -a %t/ssh-agent${lib.optionalString (cfg.agentTimeout != null) " -t ${cfg.agentTimeout}"}" ];
        SuccessExitStatus = "0 2";
      };
    };
    environment.extraInit = lib.mkIf cfg.startAgent ''
      if [ -z "$SSH_AUTH_SOCK" -a -n "$XDG_RUNTIME_DIR" ]; then export SSH_AUTH_SOCK="$XDG_RUNTIME_DIR/ssh-agent"; fi
    '';
  };
}

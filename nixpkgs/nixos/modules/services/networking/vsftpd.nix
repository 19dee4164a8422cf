# `services.vsftpd`.
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf mkOption optionalString;
  inherit (import ../short.nix { inherit lib; }) option flag maybe lines enable;
  cfg = config.services.vsftpd;

  # Option, directive of vsftpd, default, meaning.
  switches = [
    [ "localUsers" "local_enable" false "Whether users of the system may log in." ]
    [ "writeEnable" "write_enable" false "Whether anything may be written." ]
    [ "anonymousUser" "anonymous_enable" false "Whether anybody may log in as `anonymous`." ]
    [ "anonymousUserNoPassword" "no_anon_password" false "Whether `anonymous` is not asked for a password." ]
    [ "anonymousUploadEnable" "anon_upload_enable" false "Whether `anonymous` may upload." ]
    [ "anonymousMkdirEnable" "anon_mkdir_write_enable" false "Whether `anonymous` may make directories." ]
    [ "chrootlocalUser" "chroot_local_user" false "Whether users see nothing but their home." ]
    [ "userlistEnable" "userlist_enable" (cfg.userlist != [ ]) "Whether `userlist` is heeded." ]
    [ "userlistDeny" "userlist_deny" false "Whether users of `userlist` are refused rather than the others." ]
    [ "forceLocalLoginsSSL" "force_local_logins_ssl" false "Whether users log in over TLS only." ]
    [ "forceLocalDataSSL" "force_local_data_ssl" false "Whether users' data go over TLS only." ]
    [ "portPromiscuous" "port_promiscuous" false "Whether data may go to another address than the client's." ]
    [ "ssl_tlsv1" "ssl_tlsv1" true "Whether TLS 1.0 is spoken." ]
    [ "ssl_sslv2" "ssl_sslv2" false "Whether SSL 2 is spoken." ]
    [ "ssl_sslv3" "ssl_sslv3" false "Whether SSL 3 is spoken." ]
  ];
  part = lib.elemAt;
  yes = value: if value then "YES" else "NO";

  configFile = pkgs.writeText "vsftpd.conf" ''
    ${lib.concatMapStrings (row: "${part row 1}=${yes cfg.${part row 0}}\n") switches}
    ${optionalString (cfg.rsaCertFile != null) ''
      ssl_enable=YES
      rsa_cert_file=${cfg.rsaCertFile}
    ''}
    ${optionalString (cfg.rsaKeyFile != null) "rsa_private_key_file=${cfg.rsaKeyFile}"}
    ${optionalString (cfg.userlistFile != null) "userlist_file=${cfg.userlistFile}"}
    background=NO
    listen=NO
    listen_ipv6=YES
    nopriv_user=vsftpd
    secure_chroot_dir=/var/empty
    ${optionalString (cfg.localRoot != null) "local_root=${cfg.localRoot}"}
    syslog_enable=YES
    seccomp_sandbox=NO
    anon_umask=${cfg.anonymousUmask}
    ${optionalString cfg.anonymousUser "anon_root=${cfg.anonymousUserHome}"}
    ${optionalString cfg.enableVirtualUsers ''
      guest_enable=YES
      guest_username=vsftpd
    ''}
    pam_service_name=vsftpd
    ${cfg.extraConfig}
  '';
in
{
  options.services.vsftpd =
    lib.listToAttrs (map (row: lib.nameValuePair (part row 0) (flag (part row 2) (part row 3))) switches)
    // {
      enable = enable "the FTP server vsftpd";
      userlist = option (types.listOf types.str) [ ] "Users, see `userlistDeny`.";
      userlistFile = option (types.nullOr types.path) (
        if cfg.userlist == [ ] then null else pkgs.writeText "userlist" (lib.concatMapStrings (user: "${user}\n") cfg.userlist)
      ) "File with those users.";
      enableVirtualUsers = flag false "Whether users of `userDbPath` may log in.";
      userDbPath = maybe types.str "Data base of users and passwords, without its suffix.";
      localRoot = maybe types.str "Directory that users see first.";
      anonymousUserHome = option types.path "/home/ftp" "Home of `anonymous`.";
      anonymousUmask = option types.str "077" "Umask of what `anonymous` writes.";
      rsaCertFile = maybe types.path "Certificate; switches TLS on.";
      rsaKeyFile = maybe types.path "Its key.";
      extraConfig = lines "Further text of the configuration.";
    };

  config = mkIf cfg.enable {
    assertions = [
      {
        assertion = (cfg.forceLocalLoginsSSL -> cfg.rsaCertFile != null) && (cfg.forceLocalDataSSL -> cfg.rsaCertFile != null);
        message = "services.vsftpd: TLS is forced, but rsaCertFile is not set";
      }
      {
        assertion = cfg.enableVirtualUsers -> cfg.userDbPath != null && cfg.localUsers;
        message = "services.vsftpd: virtual users need userDbPath and localUsers";
      }
    ];

    users.users = {
      vsftpd = {
        group = "vsftpd";
        isSystemUser = true;
        description = "VSFTPD user";
        home = if cfg.localRoot != null then cfg.localRoot else "/homeless-shelter";
      };
    }
    // lib.optionalAttrs cfg.anonymousUser {
      ftp = {
        name = "ftp";
        uid = config.ids.uids.ftp;
        group = "ftp";
        description = "Anonymous FTP user";
        home = cfg.anonymousUserHome;
      };
    };
    users.groups.vsftpd = { };
    users.groups.ftp.gid = config.ids.gids.ftp;

    systemd.tmpfiles.rules = lib.optional cfg.anonymousUser "d '${cfg.anonymousUserHome}' 0555 ftp ftp - -";

    security.pam.services.vsftpd.text = mkIf (cfg.enableVirtualUsers && cfg.userDbPath != null) ''
      auth required pam_userdb.so db=${cfg.userDbPath}
      account required pam_userdb.so db=${cfg.userDbPath}
    '';

    systemd.services.vsftpd = {
      description = "Vsftpd Server";
      wantedBy = [ "multi-user.target" ];
      serviceConfig = {
        ExecStart = "${pkgs.vsftpd}/bin/vsftpd ${configFile}";
        Restart = "always";
        Type = "simple";
      };
    };
  };
}

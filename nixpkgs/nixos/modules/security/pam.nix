# `security.pam`: how programs check who someone is.
{ config, lib, pkgs, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.security.pam;

  flag = default: description: mkOption {
    type = types.bool;
    inherit default description;
  };

  limit = types.submodule {
    options = {
      domain = mkOption { type = types.str; description = "User, group (`@name`) or `*`."; };
      type = mkOption { type = types.enum [ "-" "hard" "soft" ]; default = "-"; description = "Kind of limit."; };
      item = mkOption { type = types.str; description = "What is limited, as in limits.conf(5)."; };
      value = mkOption { type = types.oneOf [ types.str types.int ]; description = "The limit."; };
    };
  };

  limitsFile = limits: pkgs.writeText "limits.conf" (
    lib.concatMapStrings (
      limit:
      # Debian's PAM does not count root to everybody, upstream's does.
      lib.concatMapStrings (domain: "${domain} ${limit.type} ${limit.item} ${toString limit.value}\n") (
        if limit.domain == "*" then [ "*" "root" ] else [ limit.domain ]
      )
    ) limits
  );

  # Free rules, by place in the file; lower orders first.
  rule = { name, ... }: {
    options = {
      name = mkOption { type = types.str; default = name; internal = true; description = "Name of the rule."; };
      enable = flag true "Whether the rule stands in the file.";
      order = mkOption { type = types.int; default = 50000; description = "Place in the file."; };
      control = mkOption { type = types.str; description = "What follows from success and failure."; };
      modulePath = mkOption { type = types.str; description = "The module."; };
      args = mkOption { type = types.listOf types.str; default = [ ]; description = "Its arguments."; };
      settings = mkOption {
        type = types.attrsOf (types.nullOr (types.oneOf [ types.bool types.str types.int types.path ]));
        default = { };
        description = "Its arguments by name.";
      };
    };
  };
  rules = description: mkOption {
    type = types.attrsOf (types.submodule rule);
    default = { };
    inherit description;
  };

  service = { name, config, ... }: {
    options = {
      enable = flag true "Whether the service is known to PAM.";
      name = mkOption { type = types.str; default = name; description = "Name of the service."; };
      text = mkOption { type = types.nullOr types.lines; default = null; description = "The whole file."; };
      rules = lib.genAttrs [ "account" "auth" "password" "session" ] (kind: rules "Further rules of ${kind}.");
      unixAuth = flag true "Whether the password of /etc/shadow is asked for.";
      rootOK = flag false "Whether root needs no password.";
      requireWheel = flag false "Whether only members of wheel may use the service.";
      allowNullPassword = flag false "Whether an account without a password may be used.";
      nodelay = flag false "Whether a wrong password is answered at once.";
      setEnvironment = flag true "Whether the session has the variables of environment.sessionVariables.";
      setLoginUid = flag (config.startSession) "Whether the session is marked with the user who logged in.";
      ttyAudit = mkOption { type = types.unspecified; default = { }; internal = true; description = "Not supported."; };
      forwardXAuth = flag false "Whether X authority goes along to the other user.";
      limits = mkOption { type = types.listOf limit; default = [ ]; description = "Limits of the session."; };
      startSession = flag false "Whether a session of logind is opened.";
      showMotd = flag false "Whether the message of the day is shown.";
      updateWtmp = flag false "Whether the login is recorded.";
      makeHomeDir = flag cfg.makeHomeDir.enableAll "Whether a missing home directory is made.";
      logFailures = flag false "Whether failed logins are counted.";
      sshAgentAuth = flag false "Not supported.";
      usbAuth = flag false "Not supported.";
      u2fAuth = flag false "Not supported.";
      oathAuth = flag false "Not supported.";
      googleAuthenticator.enable = flag false "Not supported.";
      duoSecurity.enable = flag false "Not supported.";
      fprintAuth = flag false "Not supported.";
      enableKwallet = flag false "Not supported.";
      enableGnomeKeyring = flag false "Whether the keyring of GNOME is unlocked with the password.";
      gnupg.enable = flag false "Not supported.";
      enableAppArmor = flag false "Not supported.";
      failDelay = {
        enable = flag false "Whether a wrong password is answered late.";
        delay = mkOption { type = types.int; default = 3000000; description = "How late, in microseconds."; };
      };
      otpwAuth = flag false "Not supported.";
      yubicoAuth = flag false "Not supported.";
      p11Auth = flag false "Not supported.";
      sssdStrictAccess = flag false "Not supported.";
      pamMount = flag false "Not supported.";
    };
  };

  ruleText =
    kind: rule:
    "${kind} ${rule.control} ${rule.modulePath}${
      lib.concatMapStrings (arg: " ${arg}") (
        rule.args
        ++ lib.concatLists (
          lib.mapAttrsToList (
            name: value:
            if value == null || value == false then
              [ ]
            else if value == true then
              [ name ]
            else
              [ "${name}=${toString value}" ]
          ) rule.settings
        )
      )
    }";

  fileText =
    service:
    let
      free = kind: test: map (ruleText kind) (
        lib.sort (a: b: a.order < b.order) (lib.filter (rule: rule.enable && test rule.order) (lib.attrValues service.rules.${kind}))
      );
      # The rules of ours stand at 10000 and up; a free one goes before or after them.
      block = kind: own: free kind (order: order < 10000) ++ own ++ free kind (order: order >= 10000);
      null_ = lib.optionalString service.allowNullPassword " nullok";
      always = lib.optional;
      limits = cfg.loginLimits ++ service.limits;
    in
    lib.concatLines (
      block "account" [ "account required pam_unix.so" ]
      ++ block "auth" (
        always service.rootOK "auth sufficient pam_rootok.so"
        ++ always service.requireWheel "auth required pam_wheel.so use_uid"
        ++ always service.logFailures "auth required pam_faillock.so preauth"
        ++ always service.failDelay.enable "auth optional pam_faildelay.so delay=${toString service.failDelay.delay}"
        ++ always service.enableGnomeKeyring "auth optional pam_unix.so${null_} likeauth"
        ++ always service.enableGnomeKeyring "auth optional pam_gnome_keyring.so"
        ++ always service.unixAuth "auth sufficient pam_unix.so${null_}${lib.optionalString service.nodelay " nodelay"} likeauth try_first_pass"
        ++ [ "auth required pam_deny.so" ]
      )
      ++ block "password" [ "password sufficient pam_unix.so nullok yescrypt" ]
      ++ block "session" (
        always service.setEnvironment "session required pam_env.so conffile=/etc/pam/environment readenv=0"
        ++ [ "session required pam_unix.so" ]
        ++ always service.setLoginUid "session ${if config.boot.isContainer then "optional" else "required"} pam_loginuid.so"
        ++ always service.makeHomeDir "session required pam_mkhomedir.so silent skel=${toString cfg.makeHomeDir.skelDirectory} umask=${cfg.makeHomeDir.umask}"
        ++ always service.startSession "session optional pam_systemd.so"
        ++ always service.forwardXAuth "session optional pam_xauth.so xauthpath=/usr/bin/xauth systemuser=99"
        ++ always (limits != [ ]) "session required pam_limits.so conf=${limitsFile limits}"
        ++ always (service.showMotd && config.users.motd != "") "session optional pam_motd.so motd=/etc/motd"
        ++ always (service.showMotd && config.users.motdFile != null) "session optional pam_motd.so motd=${toString config.users.motdFile}"
        ++ always service.enableGnomeKeyring "session optional pam_gnome_keyring.so auto_start"
      )
    );

  refusals = {
    sshAgentAuth = "the module is not in the base system";
    usbAuth = "a virtual machine has no such token";
    u2fAuth = "a virtual machine has no such token";
    oathAuth = "it is not set up";
    fprintAuth = "a virtual machine has no fingerprint reader";
    enableKwallet = "it is not set up";
    enableAppArmor = "it is not set up";
    otpwAuth = "it is not set up";
    yubicoAuth = "a virtual machine has no such token";
    p11Auth = "it is not set up";
    sssdStrictAccess = "it is not set up";
    pamMount = "it is not set up";
  };

  enabled = lib.filter (service: service.enable) (lib.attrValues cfg.services);
in
{
  imports = [ (lib.mkRenamedOptionModule [ "security" "pam" "enableSSHAgentAuth" ] [ "security" "pam" "sshAgentAuth" "enable" ]) ];

  options = {
    security.pam = {
      services = mkOption {
        type = types.attrsOf (types.submodule service);
        default = { };
        description = "Programs that ask PAM, by name.";
      };
      loginLimits = mkOption {
        type = types.listOf limit;
        default = [ ];
        description = "Limits of all sessions.";
      };
      makeHomeDir = {
        enableAll = flag false "Whether every login makes a missing home directory.";
        skelDirectory = mkOption { type = types.str; default = "/var/empty"; description = "What a new home directory holds."; };
        umask = mkOption { type = types.str; default = "0077"; description = "Umask of a new home directory."; };
      };
      sshAgentAuth.enable = mkOption {
        type = types.bool;
        default = false;
        apply = value: if value then throw "security.pam.sshAgentAuth.enable is not supported" else value;
        description = "Not supported.";
      };
    };
    users.motd = mkOption {
      type = types.lines;
      default = "";
      description = "Message of the day.";
    };
    users.motdFile = mkOption {
      type = types.nullOr types.path;
      default = null;
      description = "File with the message of the day.";
    };
  };

  config = {
    snowglobe.refused = lib.listToAttrs (
      lib.concatMap (
        service:
        lib.concatMap (
          option:
          lib.optional service.${option} (lib.nameValuePair "security.pam.services.${service.name}.${option}" refusals.${option})
        ) (lib.attrNames refusals)
        ++ lib.optional service.googleAuthenticator.enable (
          lib.nameValuePair "security.pam.services.${service.name}.googleAuthenticator.enable" "it is not set up"
        )
        ++ lib.optional service.duoSecurity.enable (lib.nameValuePair "security.pam.services.${service.name}.duoSecurity.enable" "it is not set up")
        ++ lib.optional service.gnupg.enable (lib.nameValuePair "security.pam.services.${service.name}.gnupg.enable" "it is not set up")
      ) enabled
    );

    security.pam.services = {
      other.text = ''
        auth     required pam_warn.so
        auth     required pam_deny.so
        account  required pam_warn.so
        account  required pam_deny.so
        password required pam_warn.so
        password required pam_deny.so
        session  required pam_warn.so
        session  required pam_deny.so
      '';
      login = {
        startSession = true;
        allowNullPassword = true;
        showMotd = true;
        updateWtmp = true;
        setLoginUid = true;
      };
      su = {
        rootOK = true;
        forwardXAuth = true;
        logFailures = false;
      };
      su-l = {
        rootOK = true;
        forwardXAuth = true;
      };
      systemd-user = {
        allowNullPassword = true;
        startSession = true;
        setLoginUid = false;
      };
      run0 = { startSession = true; };
      passwd = { };
      chpasswd.rootOK = true;
      chsh.rootOK = true;
      groupadd.rootOK = true;
      groupdel.rootOK = true;
      groupmod.rootOK = true;
      groupmems.rootOK = true;
      useradd.rootOK = true;
      userdel.rootOK = true;
      usermod.rootOK = true;
      newusers.rootOK = true;
      runuser = { rootOK = true; unixAuth = false; setEnvironment = false; };
      runuser-l = { rootOK = true; unixAuth = false; };
    };

    environment.etc = lib.listToAttrs (
      map (
        service: lib.nameValuePair "pam.d/${service.name}" { text = if service.text != null then service.text else fileText service; }
      ) enabled
    )
    // { motd = lib.mkIf (config.users.motd != "") { text = config.users.motd; }; };
  };
}

# `users.*`: accounts. They are part of the system layer; nothing is computed when a machine boots.
{ config, lib, pkgs, utils, ... }:
let
  inherit (lib) mkOption mkDefault mkIf types literalExpression;
  cfg = config.users;
  ids = config.ids;

  passwordDescription = "The later one in this list wins: initialPassword, initialHashedPassword, password, hashedPassword, hashedPasswordFile.";

  optionalText = description: mkOption {
    type = types.nullOr types.str;
    default = null;
    inherit description;
  };

  subordinate = mkOption {
    type = types.listOf (
      types.submodule {
        options = {
          startUid = mkOption { type = types.int; default = -1; description = "First subordinate user number."; };
          startGid = mkOption { type = types.int; default = -1; description = "First subordinate group number."; };
          count = mkOption { type = types.int; default = 1; description = "How many."; };
        };
      }
    );
    default = [ ];
    description = "Subordinate numbers, as in subuid(5).";
  };

  user = { name, config, options, ... }: {
    options = {
      enable = mkOption {
        type = types.bool;
        default = true;
        description = "Whether the account exists.";
      };
      name = mkOption {
        type = types.passwdEntry types.str;
        default = name;
        description = "Login name.";
      };
      description = mkOption {
        type = types.passwdEntry types.str;
        default = "";
        description = "The person's name, or what the account is for.";
      };
      uid = mkOption {
        type = types.nullOr types.int;
        default = null;
        description = "Number; chosen if null.";
      };
      isSystemUser = mkOption {
        type = types.bool;
        default = false;
        description = "Whether this is a service's account, with a number below 1000.";
      };
      isNormalUser = mkOption {
        type = types.bool;
        default = false;
        description = "Whether this is a person's account: with a home directory, a login shell and the group `users`.";
      };
      group = mkOption {
        type = types.str;
        default = "";
        apply = group: if group == "" then "nogroup" else group;
        description = "Primary group. Unset, it is `nogroup`, with a warning.";
      };
      groupIsUnset = mkOption {
        type = types.bool;
        internal = true;
        # The default counts as a definition, of the lowest priority.
        default = options.group.highestPrio >= (lib.mkOptionDefault null).priority;
        description = "Whether nothing defines `group`.";
      };
      extraGroups = mkOption {
        type = types.listOf types.str;
        default = [ ];
        description = "Further groups.";
      };
      home = mkOption {
        type = types.passwdEntry types.path;
        default = "/var/empty";
        description = "Home directory.";
      };
      homeMode = mkOption {
        type = types.strMatching "[0-7]{1,5}";
        default = "700";
        description = "Permissions of the home directory, octal.";
      };
      createHome = mkOption {
        type = types.bool;
        default = false;
        description = "Whether the home directory is made.";
      };
      cryptHomeLuks = mkOption {
        type = types.nullOr types.str;
        default = null;
        apply = value: if value == null then null else throw "users.users.${name}.cryptHomeLuks is not supported: pam_mount is not configured";
        description = "Not supported.";
      };
      pamMount = mkOption {
        type = types.attrsOf types.str;
        default = { };
        apply = value: if value == { } then { } else throw "users.users.${name}.pamMount is not supported";
        description = "Not supported.";
      };
      shell = mkOption {
        type = types.nullOr (types.either types.shellPackage (types.passwdEntry types.path));
        default = "/run/current-system/sw/bin/nologin";
        description = "Login shell: a package of a shell, or a path.";
      };
      useDefaultShell = mkOption {
        type = types.bool;
        default = false;
        description = "Whether the login shell is `users.defaultUserShell`, also of users who are not people.";
      };
      ignoreShellProgramCheck = mkOption {
        type = types.bool;
        default = false;
        description = "Harmless: a shell without `programs.SHELL.enable` is not refused here.";
      };
      subUidRanges = subordinate;
      subGidRanges = subordinate;
      autoSubUidGidRange = mkOption {
        type = types.bool;
        default = false;
        description = "Whether ranges of subordinate numbers are chosen for the user.";
      };
      linger = mkOption {
        type = types.nullOr types.bool;
        default = false;
        description = "Whether the user's systemd runs without a session, from boot on.";
      };
      hashedPassword = optionalText "Password as `mkpasswd` prints it. ${passwordDescription}";
      password = optionalText "Password in clear text. ${passwordDescription}";
      hashedPasswordFile = optionalText "File that holds the hashed password. ${passwordDescription}";
      passwordFile = mkOption {
        type = types.nullOr types.str;
        default = null;
        visible = false;
        description = "Old name of `hashedPasswordFile`.";
      };
      initialHashedPassword = optionalText "Hashed password of a new account. ${passwordDescription}";
      initialPassword = optionalText "Clear password of a new account. ${passwordDescription}";
      packages = mkOption {
        type = types.listOf types.package;
        default = [ ];
        description = "Packages that only this user sees, in /etc/profiles/per-user/NAME.";
      };
      expires = mkOption {
        type = types.nullOr (types.strMatching "[0-9]{4}-[0-9]{2}-[0-9]{2}");
        default = null;
        apply = value: if value == null then null else throw "users.users.${name}.expires is not supported: the plan of a machine has no place for it";
        description = "Not supported.";
      };
    };

    config = lib.mkMerge [
      (mkIf config.isNormalUser {
        group = mkDefault "users";
        createHome = mkDefault true;
        home = mkDefault "/home/${config.name}";
        shell = mkDefault cfg.defaultUserShell;
      })
      (mkIf config.useDefaultShell { shell = mkDefault cfg.defaultUserShell; })
      (mkIf (config.passwordFile != null) { hashedPasswordFile = mkDefault config.passwordFile; })
    ];
  };

  group = { name, ... }: {
    options = {
      name = mkOption {
        type = types.passwdEntry types.str;
        default = name;
        description = "Name of the group.";
      };
      gid = mkOption {
        type = types.nullOr types.int;
        default = null;
        description = "Number; chosen if null.";
      };
      members = mkOption {
        type = types.listOf (types.passwdEntry types.str);
        default = [ ];
        description = "Members, besides the users that name the group themselves.";
      };
    };
  };

  users = lib.filter (user: user.enable) (lib.attrValues cfg.users);
  groups = lib.attrValues cfg.groups;

  shellPath = shell: if shell == null then "/run/current-system/sw/bin/nologin" else utils.toShellPath shell;

  # What `/etc/shadow` says. A clear password is hashed when the layer is made.
  password =
    user:
    if user.hashedPasswordFile != null then
      { type = "hashFile"; path = user.hashedPasswordFile; }
    else if user.hashedPassword != null then
      fromHash user.hashedPassword
    else if user.password != null then
      fromClear user.password
    else if user.initialHashedPassword != null then
      fromHash user.initialHashedPassword
    else if user.initialPassword != null then
      fromClear user.initialPassword
    else
      { type = "locked"; };
  fromHash =
    hash:
    if hash == "" then
      { type = "empty"; }
    else if hash == "!" || hash == "*" then
      { type = "locked"; }
    else
      { type = "hash"; value = hash; };
  fromClear = text: { type = "plain"; value = text; };

  # subuid(5) and subgid(5) hold the same ranges: a name space needs both alike.
  subIds =
    user:
    let
      ranges = start: map (range: [ range.${start} range.count ]);
      uids = ranges "startUid" user.subUidRanges;
      gids = ranges "startGid" user.subGidRanges;
    in
    if user.autoSubUidGidRange && uids == [ ] && gids == [ ] then
      [ [ (100000 + 65536 * position user.name) 65536 ] ]
    else if uids == gids || gids == [ ] then
      uids
    else if uids == [ ] then
      gids
    else
      throw "users.users.${user.name}: subUidRanges and subGidRanges differ, which is not supported";
  automatic = map (user: user.name) (lib.filter (user: user.autoSubUidGidRange) users);
  position = name: lib.lists.findFirstIndex (other: other == name) 0 automatic;

  withPackages = lib.filter (user: user.packages != [ ]) users;

  twice = values: lib.attrNames (lib.filterAttrs (_: group: lib.length group > 1) (lib.groupBy toString (lib.filter (value: value != null) values)));
in
{
  imports = [
    (lib.mkAliasOptionModule [ "users" "extraUsers" ] [ "users" "users" ])
    (lib.mkAliasOptionModule [ "users" "extraGroups" ] [ "users" "groups" ])
  ];

  options.users = {
    mutableUsers = mkOption {
      type = types.bool;
      default = true;
      description = ''
        Whether what `useradd`, `passwd` and the like change in a running machine outlives a
        reboot. If not, every boot begins with the configuration's accounts and passwords.
      '';
    };
    enforceIdUniqueness = mkOption {
      type = types.bool;
      default = true;
      description = "Whether two accounts must not have one number.";
    };
    users = mkOption {
      type = types.attrsOf (types.submodule user);
      default = { };
      example = literalExpression ''{ alice = { isNormalUser = true; extraGroups = [ "wheel" ]; }; }'';
      description = "Accounts.";
    };
    groups = mkOption {
      type = types.attrsOf (types.submodule group);
      default = { };
      description = "Groups.";
    };
    allowNoPasswordLogin = mkOption {
      type = types.bool;
      default = false;
      description = "Harmless: a test gets in through its driver, so that a system without a login is not refused here.";
    };
    manageLingering = mkOption {
      type = types.bool;
      default = true;
      description = "Whether `linger` is applied.";
    };
    defaultUserHome = mkOption {
      type = types.str;
      default = "/home";
      internal = true;
      description = "Where homes of normal users lie.";
    };
  };

  config = {
    # The files of the system layer are what a machine starts with: kept aside at the first boot, put
    # back at every further one.
    system.activationScripts.immutable-users = mkIf (!cfg.mutableUsers) {
      text = ''
        mkdir -p -m 0700 /var/lib/nixos/accounts
        for file in passwd shadow group gshadow; do
          if [ -e /var/lib/nixos/accounts/$file ]; then
            cp -p /var/lib/nixos/accounts/$file /etc/$file
          elif [ -e /etc/$file ]; then
            cp -p /etc/$file /var/lib/nixos/accounts/$file
          fi
        done
      '';
    };

    users.users = {
      root = {
        uid = ids.uids.root;
        description = "System administrator";
        home = "/root";
        homeMode = mkDefault "700";
        shell = mkDefault cfg.defaultUserShell;
        group = "root";
      };
      nobody = {
        uid = ids.uids.nobody;
        isSystemUser = true;
        description = "Unprivileged account (don't use!)";
        group = "nogroup";
      };
      messagebus = {
        uid = ids.uids.messagebus;
        isSystemUser = true;
        description = "D-Bus system message bus daemon user";
        home = "/run/dbus";
        group = "messagebus";
      };
      systemd-network = {
        uid = ids.uids.systemd-network;
        isSystemUser = true;
        group = "systemd-network";
      };
      systemd-resolve = {
        uid = ids.uids.systemd-resolve;
        isSystemUser = true;
        group = "systemd-resolve";
      };
      systemd-timesync = {
        uid = ids.uids.systemd-timesync;
        isSystemUser = true;
        group = "systemd-timesync";
      };
      systemd-coredump = {
        uid = ids.uids.systemd-coredump;
        isSystemUser = true;
        group = "systemd-coredump";
      };
    };

    users.groups =
      lib.genAttrs [
        "root" "wheel" "disk" "kmem" "tty" "floppy" "uucp" "lp" "cdrom" "tape" "audio" "video" "dialout"
        "nogroup" "users" "utmp" "adm" "input" "kvm" "render" "sgx" "clock" "shadow" "mail" "keys"
        "messagebus" "systemd-journal" "systemd-network" "systemd-resolve" "systemd-timesync" "systemd-coredump"
      ] (name: { gid = ids.gids.${name} or null; });

    environment.etc =
      lib.listToAttrs (
        map (
          user:
          lib.nameValuePair "profiles/per-user/${user.name}" {
            source = pkgs.buildEnv {
              name = "user-environment";
              paths = user.packages;
              inherit (config.environment) pathsToLink;
              ignoreCollisions = true;
            };
          }
        ) withPackages
      );

    environment.profiles = [
      "$HOME/.nix-profile"
      "\${XDG_STATE_HOME}/nix/profile"
      "$HOME/.local/state/nix/profile"
      "/etc/profiles/per-user/$USER"
    ];

    warnings = map (
      user:
      "users.users.${user.name}.group is unset, so that it is 'nogroup'. Upstream refuses this; say: users.users.${user.name}.group = \"${user.name}\"; users.groups.${user.name} = { };"
    ) (lib.filter (user: user.groupIsUnset && user.isSystemUser) users);

    assertions =
      map (user: {
        assertion = user.isNormalUser != (user.isSystemUser || (user.uid != null && user.uid < 1000));
        message = "Exactly one of users.users.${user.name}.isSystemUser and users.users.${user.name}.isNormalUser must be set.";
      }) users
      ++ map (user: {
        assertion = cfg.groups ? ${user.group} || lib.any (group: group.name == user.group) groups;
        message = "users.users.${user.name}.group is '${user.group}', which is not among users.groups.";
      }) users
      ++ lib.optionals cfg.enforceIdUniqueness [
        {
          assertion = twice (map (user: user.uid) users) == [ ];
          message = "Two accounts of users.users have one number: ${toString (twice (map (user: user.uid) users))}.";
        }
        {
          assertion = twice (map (group: group.gid) groups) == [ ];
          message = "Two groups of users.groups have one number: ${toString (twice (map (group: group.gid) groups))}.";
        }
      ];

    snowglobe.system.users = map (user: {
      inherit (user) name uid group extraGroups description home createHome;
      homeMode = user.homeMode;
      shell = shellPath user.shell;
      isNormal = user.isNormalUser;
      linger = user.linger == true && cfg.manageLingering;
      password = password user;
      subIds = subIds user;
    }) users;

    snowglobe.system.groups = map (group: { inherit (group) name gid members; }) groups;
  };
}

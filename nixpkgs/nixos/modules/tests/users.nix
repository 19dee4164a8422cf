{ lib, pkgs, user, group, etc, system, builds, has }:
let
  alice = extra: user "alice" { users.users.alice = { isNormalUser = true; } // extra; };
in
{
  normalUser = {
    expr = { inherit (alice { }) group home homeMode shell isNormal createHome password uid; };
    expected = {
      group = "users";
      home = "/home/alice";
      homeMode = "700";
      shell = "/run/current-system/sw/bin/bash";
      isNormal = true;
      createHome = true;
      password = { type = "locked"; };
      uid = null;
    };
  };
  userShell = { expr = (alice { shell = pkgs.zsh; }).shell; expected = "/run/current-system/sw/bin/zsh"; };
  systemUserShell = { expr = (user "s" { users.users.s.isSystemUser = true; }).shell; expected = "/run/current-system/sw/bin/nologin"; };
  useDefaultShell = { expr = (user "s" { users.users.s = { isSystemUser = true; useDefaultShell = true; }; }).shell; expected = "/run/current-system/sw/bin/bash"; };
  shellBeforeDefault = { expr = (user "s" { users.users.s = { isSystemUser = true; useDefaultShell = true; shell = pkgs.zsh; }; }).shell; expected = "/run/current-system/sw/bin/zsh"; };
  noLingering = { expr = (alice { linger = true; }).linger && !(user "alice" { users.manageLingering = false; users.users.alice = { isNormalUser = true; linger = true; }; }).linger; expected = true; };
  immutable = { expr = map (module: (system module).snowglobe.system.activation == null) [ { } { users.mutableUsers = false; } ]; expected = [ true false ]; };
  unsetGroup = { expr = (user "s" { users.users.s.isSystemUser = true; }).group; expected = "nogroup"; };
  unsetGroupWarns = { expr = lib.length (system { users.users.s.isSystemUser = true; }).warnings; expected = 1; };
  setGroupDoesNot = { expr = lib.length (system { users.users.s = { isSystemUser = true; group = "nogroup"; }; }).warnings; expected = 0; };
  neitherKind = { expr = builds { users.users.s = { }; }; fails = true; };
  bothKinds = { expr = builds { users.users.s = { isSystemUser = true; isNormalUser = true; }; }; fails = true; };
  unknownGroup = { expr = builds { users.users.s = { isSystemUser = true; group = "none"; }; }; fails = true; };
  twoOfOneNumber = { expr = builds { users.users.a = { isNormalUser = true; uid = 1000; }; users.users.b = { isNormalUser = true; uid = 1000; }; }; fails = true; };
  disabledUser = { expr = alice { enable = false; }; expected = null; };

  passwords = {
    expr = map (extra: (alice extra).password) [
      { password = "a"; }
      { initialPassword = "a"; }
      { hashedPassword = "$y$x"; }
      { initialHashedPassword = ""; }
      { hashedPassword = "!"; }
      { hashedPasswordFile = "/f"; }
      { password = "a"; hashedPassword = "$y$x"; }
      { initialPassword = "a"; password = "b"; }
    ];
    expected = [
      { type = "plain"; value = "a"; }
      { type = "plain"; value = "a"; }
      { type = "hash"; value = "$y$x"; }
      { type = "empty"; }
      { type = "locked"; }
      { type = "hashFile"; path = "/f"; }
      { type = "hash"; value = "$y$x"; }
      { type = "plain"; value = "b"; }
    ];
  };
  subIds = { expr = (alice { autoSubUidGidRange = true; }).subIds; expected = [ [ 100000 65536 ] ]; };
  fixedIds = { expr = [ (user "root" { }).uid (user "nobody" { }).uid (group "wheel" { }).gid (group "tty" { }).gid (group "users" { }).gid ]; expected = [ 0 65534 1 5 100 ]; };
  members = { expr = (group "g" { users.groups.g = { gid = 77; members = [ "root" ]; }; }); expected = { name = "g"; gid = 77; members = [ "root" ]; }; };
  extraUsers = { expr = (user "bob" { users.extraUsers.bob.isNormalUser = true; }).name; expected = "bob"; };
  perUserProfile = { expr = (system { users.users.alice = { isNormalUser = true; packages = [ pkgs.tree ]; }; }).environment.etc ? "profiles/per-user/alice"; expected = true; };

  # PATH of sessions is NixOS's, without /usr/bin.
  pamPath = {
    expr = lib.findFirst (lib.hasPrefix "PATH ") "" (lib.splitString "\n" (etc "pam/environment" { }));
    expected = "PATH DEFAULT=\"/run/wrappers/bin:@{HOME}/.nix-profile/bin:@{HOME}/.local/state/nix/profile/bin:@{HOME}/.local/state/nix/profile/bin:/etc/profiles/per-user/@{PAM_USER}/bin:/nix/var/nix/profiles/default/bin:/run/current-system/sw/bin\"";
  };
  sessionVariables = { expr = has "FOO DEFAULT=\"a b\"" (etc "pam/environment" { environment.sessionVariables.FOO = "a b"; }); expected = true; };
  sessionVariablesList = { expr = has "FOO DEFAULT=\"a:b\"" (etc "pam/environment" { environment.sessionVariables.FOO = [ "a" "b" ]; }); expected = true; };
  shells = { expr = has "/run/current-system/sw/bin/fish" (etc "shells" { programs.fish.enable = true; }); expected = true; };

  sudoers = {
    expr = lib.filter (lib.hasInfix "ALL=(") (lib.splitString "\n" (etc "sudoers" {
      security.sudo.wheelNeedsPassword = false;
      security.sudo.extraRules = [ { users = [ "u" ]; groups = [ 7 ]; runAs = "x"; commands = [ "ALL" { command = "/b"; options = [ "NOPASSWD" "NOSETENV" ]; } ]; } ];
    }));
    expected = [
      "root\tALL=(ALL:ALL)\tSETENV: ALL"
      "%wheel\tALL=(ALL:ALL)\tNOPASSWD: SETENV: ALL"
      "u\tALL=(x)\tALL, NOPASSWD: NOSETENV: /b"
      "%#7\tALL=(x)\tALL, NOPASSWD: NOSETENV: /b"
    ];
  };
  wrapperCapsAndSetuid = { expr = builds { security.wrappers.w = { source = "/bin/w"; owner = "root"; group = "root"; setuid = true; capabilities = "cap_net_raw+p"; }; }; fails = true; };
  pamLimits = { expr = has "pam_limits.so conf=" (etc "pam.d/login" { security.pam.services.login.limits = [ { domain = "*"; item = "nofile"; value = 5; } ]; }) || (system { security.pam.services.login.limits = [ { domain = "*"; item = "nofile"; value = 5; } ]; }).environment.etc ? "pam.d/login"; expected = true; };
  pamText = { expr = etc "pam.d/mine" { security.pam.services.mine.text = "auth required pam_permit.so\n"; }; expected = "auth required pam_permit.so\n"; };
  pamRefused = { expr = builds { security.pam.services.x.u2fAuth = true; }; fails = true; };
  doas = { expr = has "permit nopass setenv { SSH_AUTH_SOCK TERMINFO TERMINFO_DIRS } :wheel" (etc "doas.conf" { security.doas = { enable = true; wheelNeedsPassword = false; }; }); expected = true; };
}

# `services.restic`: backups, and the server that takes them (which Debian lacks).
{ config, lib, pkgs, ... }:
let
  inherit (lib) types mkIf mkOption;
  inherit (import ../short.nix { inherit lib; }) option flag maybe package;
  backups = config.services.restic.backups;
  values = types.nullOr (types.attrsOf (types.oneOf [ types.str types.bool ]));
  shown = value: if lib.isBool value then lib.boolToString value else value;

  backupOptions = { name, config, ... }: {
    options = {
      passwordFile = maybe types.str "File with the repository's password.";
      environmentFile = maybe types.str "File with variables, as systemd reads them.";
      rcloneOptions = option values null "Options of rclone.";
      rcloneConfig = option values null "Settings of rclone for the repository's remote; they win over the file's.";
      rcloneConfigFile = maybe types.path "Configuration of rclone.";
      inhibitsSleep = flag false "Whether the machine is kept from sleeping meanwhile.";
      repository = maybe types.str "The repository.";
      repositoryFile = maybe types.path "File that names the repository.";
      paths = option (types.nullOr (types.listOf types.str)) [ ] "What is saved.";
      exclude = option (types.listOf types.str) [ ] "Patterns of what is not.";
      timerConfig = option (types.nullOr (types.attrsOf types.unspecified)) { OnCalendar = "daily"; Persistent = true; } "When that happens, as in systemd.timer; null: only when it is asked for.";
      user = option types.str "root" "User that saves.";
      extraBackupArgs = option (types.listOf types.str) [ ] "Further arguments of restic backup.";
      extraOptions = option (types.listOf types.str) [ ] "Extended options of restic.";
      initialize = flag false "Whether the repository is made if there is none.";
      pruneOpts = option (types.listOf types.str) [ ] "What `restic forget --prune` keeps; without any, nothing is forgotten.";
      runCheck = flag (config.checkOpts != [ ]) "Whether the repository is checked afterwards.";
      checkOpts = option (types.listOf types.str) [ ] "Arguments of restic check.";
      dynamicFilesFrom = maybe types.str "Commands that print further paths.";
      backupPrepareCommand = maybe types.str "Commands that run before.";
      backupCleanupCommand = maybe types.str "Commands that run afterwards.";
      command = option (types.listOf types.str) [ ] "A program whose output is saved instead of paths.";
      package = package "restic" pkgs.restic;
      createWrapper = flag true "Whether there is a program restic-NAME for this repository.";
      progressFps = maybe types.numbers.nonnegative "How often progress is told, a second.";
    };
  };

  environmentOf =
    name: backup:
    let
      remote = lib.elemAt (lib.splitString ":" backup.repository) 1;
      upper = text: lib.toUpper (lib.replaceStrings [ "-" ] [ "_" ] text);
    in
    lib.filterAttrs (_: value: value != null) {
      RESTIC_CACHE_DIR = "/var/cache/restic-backups-${name}";
      RESTIC_PASSWORD_FILE = backup.passwordFile;
      RESTIC_REPOSITORY = backup.repository;
      RESTIC_REPOSITORY_FILE = backup.repositoryFile;
      RCLONE_CONFIG = backup.rcloneConfigFile;
      RESTIC_PROGRESS_FPS = if backup.progressFps == null then null else toString backup.progressFps;
    }
    // lib.optionalAttrs (backup.rcloneOptions != null) (lib.mapAttrs' (key: value: lib.nameValuePair "RCLONE_${upper key}" (shown value)) backup.rcloneOptions)
    // lib.optionalAttrs (backup.rcloneConfig != null) (lib.mapAttrs' (key: value: lib.nameValuePair "RCLONE_CONFIG_${lib.toUpper "${remote}_${key}"}" (shown value)) backup.rcloneConfig);

  serviceOf =
    name: backup:
    let
      restic = lib.optionalString backup.inhibitsSleep "${pkgs.systemd}/bin/systemd-inhibit --mode=block --who=restic --what=sleep --why=backup "
        + lib.getExe backup.package + lib.concatMapStrings (value: " -o ${value}") backup.extraOptions;
      includes = "/run/restic-backups-${name}/includes";
      static = backup.paths != null && backup.paths != [ ];
      saves = static || backup.dynamicFilesFrom != null;
      excluded = lib.optional (backup.exclude != [ ]) "--exclude-file=${pkgs.writeText "exclude-patterns" (lib.concatLines backup.exclude)}";
      arguments = toString (backup.extraBackupArgs ++ excluded);
    in
    {
      description = "Restic backup ${name}";
      environment = environmentOf name backup;
      path = [ pkgs.openssh ] ++ lib.optional (lib.hasPrefix "rclone:" (if backup.repository == null then "" else backup.repository)) pkgs.rclone;
      restartIfChanged = false;
      wants = [ "network-online.target" ];
      after = [ "network-online.target" ];
      preStart = ''
        ${lib.optionalString (backup.backupPrepareCommand != null) "${pkgs.writeShellScript "backup-prepare" backup.backupPrepareCommand}"}
        ${lib.optionalString backup.initialize "${restic} cat config >/dev/null || ${restic} init"}
        ${lib.optionalString static "cat ${pkgs.writeText "static-paths" (lib.concatLines backup.paths)} >>${includes}"}
        ${lib.optionalString (backup.dynamicFilesFrom != null) "${pkgs.writeShellScript "dynamic-files" backup.dynamicFilesFrom} >>${includes}"}
      '';
      postStop = ''
        ${lib.optionalString (backup.backupCleanupCommand != null) "${pkgs.writeShellScript "backup-cleanup" backup.backupCleanupCommand}"}
        rm -f ${includes}
      '';
      serviceConfig = {
        Type = "oneshot";
        ExecStart =
          lib.optional (backup.command != [ ]) "${restic} backup ${arguments} --stdin-from-command -- ${lib.escapeShellArgs backup.command}"
          ++ lib.optional saves "${restic} backup ${arguments} --files-from=${includes}"
          ++ lib.optionals (backup.pruneOpts != [ ]) [ "${restic} unlock" "${restic} forget --prune ${toString backup.pruneOpts}" ]
          ++ lib.optional backup.runCheck "${restic} check ${toString backup.checkOpts}";
        User = backup.user;
        RuntimeDirectory = "restic-backups-${name}";
        CacheDirectory = "restic-backups-${name}";
        CacheDirectoryMode = "0700";
        EnvironmentFile = mkIf (backup.environmentFile != null) backup.environmentFile;
      };
    };

  wrapper = name: backup: pkgs.writeShellScriptBin "restic-${name}" ''
    set -a
    ${lib.optionalString (backup.environmentFile != null) ". ${backup.environmentFile}"}
    ${lib.concatStrings (lib.mapAttrsToList (key: value: "${key}=${lib.escapeShellArg (toString value)}\n") (environmentOf name backup))}
    exec ${lib.getExe backup.package}${lib.concatMapStrings (value: " -o ${value}") backup.extraOptions} "$@"
  '';
in
{
  options.services.restic = {
    backups = option (types.attrsOf (types.submodule backupOptions)) { } "Backups, by name.";
    server.enable = flag false "Not supported: Debian has no server of restic's.";
  };

  config = lib.mkMerge [
    (mkIf config.services.restic.server.enable {
      snowglobe.refused."services.restic.server.enable" = "Debian has no rest-server";
    })
    (mkIf (backups != { }) {
      assertions = lib.concatLists (lib.mapAttrsToList (name: backup: [
        {
          assertion = (backup.repository == null) != (backup.repositoryFile == null);
          message = "services.restic.backups.${name}: exactly one of repository and repositoryFile is set";
        }
        {
          assertion = backup.command == [ ] || !(backup.paths != null && backup.paths != [ ] || backup.dynamicFilesFrom != null);
          message = "services.restic.backups.${name}: either a command's output is saved, or paths are";
        }
        {
          assertion = backup.passwordFile != null || backup.environmentFile != null;
          message = "services.restic.backups.${name}: passwordFile is not set";
        }
      ]) backups);
      systemd.services = lib.mapAttrs' (name: backup: lib.nameValuePair "restic-backups-${name}" (serviceOf name backup)) backups;
      systemd.timers = lib.mapAttrs' (name: backup: lib.nameValuePair "restic-backups-${name}" { wantedBy = [ "timers.target" ]; inherit (backup) timerConfig; }) (
        lib.filterAttrs (_: backup: backup.timerConfig != null) backups
      );
      environment.systemPackages = lib.mapAttrsToList wrapper (lib.filterAttrs (_: backup: backup.createWrapper) backups);
    })
  ];
}

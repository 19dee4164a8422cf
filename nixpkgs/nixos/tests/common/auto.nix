# A session that starts without anyone logging in, root's too.
{ config, lib, ... }:
let cfg = config.test-support.displayManager.auto; in
{
  options.test-support.displayManager.auto = {
    enable = lib.mkOption {
      type = lib.types.bool;
      default = false;
      description = "Whether someone is logged in at boot.";
    };
    user = lib.mkOption {
      type = lib.types.str;
      default = "root";
      description = "Who is logged in.";
    };
  };

  config = lib.mkIf cfg.enable {
    services.xserver.displayManager.lightdm.enable = true;
    services.displayManager.autoLogin = {
      enable = true;
      inherit (cfg) user;
    };
    # LightDM's own rules for this keep root out.
    security.pam.services.lightdm-autologin.text = lib.mkForce ''
      auth     requisite pam_nologin.so
      auth     required  pam_permit.so
      account  include   lightdm
      password include   lightdm
      session  include   lightdm
    '';
  };
}

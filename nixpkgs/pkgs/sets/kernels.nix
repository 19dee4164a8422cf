# The kernel: Debian's, in one version.
{ final, lib, row, ... }:
let
  absent = name: throw "pkgs.${name} is not supported: the machine's kernel is Debian's linux-image-amd64 ${final.linux.version}";

  kernel = row "linux" {
    deb = "linux-image-amd64";
    main = null;
    bare = true;
    dev = "linux-headers-amd64";
    passthru = {
      modDirVersion = "${kernel.version}+deb13-amd64";
      isHardened = false;
      isZen = false;
      isLibre = false;
      kernelOlder = lib.versionOlder kernel.version;
      kernelAtLeast = lib.versionAtLeast kernel.version;
      features = { };
      config = {
        isSet = _: true;
        isEnabled = _: true;
        isYes = _: true;
        isModule = _: true;
        isNo = _: false;
        isDisabled = _: false;
      };
    };
  };

  packagesFor =
    kernel:
    lib.makeExtensible (self: {
      inherit kernel;
      kernelOlder = lib.versionOlder kernel.version;
      kernelAtLeast = lib.versionAtLeast kernel.version;
      inherit (final) cpupower bpftrace bcc;
      perf = row "perf" { deb = "linux-perf"; };
      # Part of the kernel.
      wireguard = null;
      callPackage = lib.callPackageWith (final // self);
      zfs = throw "linuxPackages.zfs is not supported: ZFS is not part of Debian";
      nvidia_x11 = throw "linuxPackages.nvidia_x11 is not supported";
      virtualboxGuestAdditions = throw "linuxPackages.virtualboxGuestAdditions is not supported";
    });
in
{
  linux = kernel;
  linux_latest = final.linux;
  linux_default = final.linux;
  linuxPackagesFor = packagesFor;
  linuxPackages = packagesFor final.linux;
  linuxPackages_latest = final.linuxPackages;
  linuxPackages_6_12 = final.linuxPackages;
  linuxKernel = {
    kernels = {
      inherit (final) linux;
      linux_default = final.linux;
      linux_6_12 = final.linux;
    };
    packages = {
      linux_6_12 = final.linuxPackages;
      linux_latest = final.linuxPackages;
    };
    inherit packagesFor;
    customPackage = _: absent "linuxKernel.customPackage";
  };
  linuxHeaders = row "linux-headers" { deb = "linux-libc-dev"; main = null; };
  linux_testing = absent "linux_testing";
  linuxPackages_testing = absent "linuxPackages_testing";
  linuxPackages_hardened = absent "linuxPackages_hardened";
  linuxPackages_zen = absent "linuxPackages_zen";
  linuxPackages_rt = absent "linuxPackages_rt";
  linuxPackages_5_4 = absent "linuxPackages_5_4";
  linuxPackages_5_10 = absent "linuxPackages_5_10";
  linuxPackages_5_15 = absent "linuxPackages_5_15";
  linuxPackages_6_1 = absent "linuxPackages_6_1";
  linuxPackages_6_6 = absent "linuxPackages_6_6";
  linux-firmware = row "linux-firmware" { deb = "firmware-misc-nonfree"; main = null; };
}

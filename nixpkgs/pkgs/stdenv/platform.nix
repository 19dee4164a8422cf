# The one platform that the package set exists for, with the questions that expressions ask of it.
{ lib, system }:
let
  no = names: builtins.listToAttrs (map (name: { inherit name; value = false; }) names);
  yes = names: builtins.listToAttrs (map (name: { inherit name; value = true; }) names);

  platform =
    yes [
      "isLinux"
      "isUnix"
      "isGnu"
      "isx86"
      "isx86_64"
      "is64bit"
      "isLittleEndian"
      "isElf"
      "isEfi"
      "hasSharedLibraries"
      "isCompatible"
    ]
    // no [
      "isDarwin"
      "isMacOS"
      "isiOS"
      "isWindows"
      "isCygwin"
      "isMinGW"
      "isMusl"
      "isUClibc"
      "isStatic"
      "isBSD"
      "isFreeBSD"
      "isNetBSD"
      "isOpenBSD"
      "isSunOS"
      "isGhcjs"
      "isWasm"
      "isWasi"
      "isAndroid"
      "isNone"
      "isRedox"
      "isGenode"
      "isMmix"
      "isAarch"
      "isAarch32"
      "isAarch64"
      "isArmv7"
      "isi686"
      "isx86_32"
      "isMips"
      "isMips64"
      "isPower"
      "isPower64"
      "isRiscV"
      "isRiscV32"
      "isRiscV64"
      "isSparc"
      "isS390"
      "isS390x"
      "isLoongArch64"
      "isAvr"
      "isM68k"
      "is32bit"
      "is16bit"
      "is8bit"
      "isBigEndian"
      "isMacho"
      "useLLVM"
      "useAndroidPrebuilt"
      "useiOSPrebuilt"
      "isLLVMLibc"
    ]
    // {
      inherit system;
      config = "x86_64-unknown-linux-gnu";
      libc = "glibc";
      linker = "bfd";
      linuxArch = "x86_64";
      qemuArch = "x86_64";
      efiArch = "x64";
      ubootArch = "x86_64";
      darwinArch = "x86_64";
      extensions = {
        executable = "";
        library = ".so";
        sharedLibrary = ".so";
        staticLibrary = ".a";
      };
      uname = {
        system = "Linux";
        processor = "x86_64";
        release = null;
      };
      gcc = { };
      rustc = { };
      go = {
        GOOS = "linux";
        GOARCH = "amd64";
        GOARM = null;
      };
      node = {
        arch = "x64";
        platform = "linux";
      };
      parsed = {
        cpu = {
          name = "x86_64";
          bits = 64;
          family = "x86";
          arch = "x86-64";
          significantByte.name = "littleEndian";
        };
        vendor.name = "unknown";
        kernel = {
          name = "linux";
          execFormat.name = "elf";
        };
        abi.name = "gnu";
      };
      linux-kernel = {
        name = "pc";
        baseConfig = "defconfig";
        target = "bzImage";
      };
      canExecute = other: other.system or other == system;
      emulatorAvailable = _: true;
      emulator = _: "";
    };
in
platform

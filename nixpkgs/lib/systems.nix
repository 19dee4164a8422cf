# Platforms. The one that exists here is x86_64-linux; others can be described.
{ lib }:
let
  cpus = {
    x86_64 = { bits = 64; family = "x86"; linux = "x86_64"; };
    i686 = { bits = 32; family = "x86"; linux = "i386"; };
    aarch64 = { bits = 64; family = "arm"; linux = "arm64"; };
    armv7l = { bits = 32; family = "arm"; linux = "arm"; };
    armv6l = { bits = 32; family = "arm"; linux = "arm"; };
    riscv64 = { bits = 64; family = "riscv"; linux = "riscv"; };
    powerpc64le = { bits = 64; family = "power"; linux = "powerpc"; };
    s390x = { bits = 64; family = "s390"; linux = "s390"; };
    loongarch64 = { bits = 64; family = "loongarch"; linux = "loongarch"; };
    mips64el = { bits = 64; family = "mips"; linux = "mips"; };
  };
  kernels = [ "linux" "darwin" "freebsd" "netbsd" "openbsd" "windows" "cygwin" ];
  known = [
    "aarch64-linux" "armv6l-linux" "armv7l-linux" "i686-linux" "loongarch64-linux" "mips64el-linux"
    "powerpc64le-linux" "riscv64-linux" "s390x-linux" "x86_64-linux"
    "aarch64-darwin" "x86_64-darwin" "x86_64-freebsd" "x86_64-netbsd" "x86_64-openbsd" "i686-cygwin" "x86_64-windows"
  ];
  split = system:
    let parts = lib.splitString "-" system; in
    { cpu = builtins.head parts; kernel = lib.last parts; };
  having = pred: lib.filter (system: pred (split system)) known;
  family = name: having (s: cpus.${s.cpu}.family or "" == name);
  kernel = name: having (s: s.kernel == name);
in
rec {
  flakeExposed = [ "x86_64-linux" "aarch64-linux" "x86_64-darwin" "aarch64-darwin" "i686-linux" "armv7l-linux" "riscv64-linux" ];

  doubles = {
    all = known;
    none = [ ];
    linux = kernel "linux";
    darwin = kernel "darwin";
    freebsd = kernel "freebsd";
    netbsd = kernel "netbsd";
    openbsd = kernel "openbsd";
    windows = kernel "windows";
    cygwin = kernel "cygwin";
    unix = having (s: !lib.elem s.kernel [ "windows" ]);
    gnu = kernel "linux";
    x86 = family "x86";
    x86_64 = having (s: s.cpu == "x86_64");
    i686 = having (s: s.cpu == "i686");
    aarch64 = having (s: s.cpu == "aarch64");
    arm = family "arm";
    aarch = family "arm";
    riscv = family "riscv";
    riscv64 = having (s: s.cpu == "riscv64");
    power = family "power";
    mips = family "mips";
    s390x = having (s: s.cpu == "s390x");
    loongarch64 = having (s: s.cpu == "loongarch64");
    allBut = systems: lib.filter (system: !lib.elem system systems) known;
  };

  # A platform from its name, as `stdenv.hostPlatform` is one.
  elaborate = given:
    let
      args = if builtins.isString given then { system = given; } else given;
      system = args.system or (throw "lib.systems.elaborate: only platforms with a `system' can be described");
      parts = split system;
      cpu = cpus.${parts.cpu} or (throw "lib.systems.elaborate: unknown processor in `${system}'");
      final = {
        inherit system;
        config = "${parts.cpu}-unknown-${parts.kernel}${lib.optionalString (parts.kernel == "linux") "-gnu"}";
        parsed = {
          _type = "system";
          cpu = { name = parts.cpu; inherit (cpu) bits family; };
          kernel = { name = parts.kernel; };
          vendor.name = "unknown";
          abi.name = "gnu";
        };
        libc = "glibc";
        linuxArch = cpu.linux;
        uname = {
          system = { linux = "Linux"; darwin = "Darwin"; }.${parts.kernel} or parts.kernel;
          processor = parts.cpu;
          release = null;
        };
        extensions = {
          sharedLibrary = ".so";
          staticLibrary = ".a";
          library = ".so";
          executable = "";
        };
        hasSharedLibraries = true;
        isStatic = false;
        isMusl = false;
        isGnu = parts.kernel == "linux";
        isLinux = parts.kernel == "linux";
        isDarwin = parts.kernel == "darwin";
        isFreeBSD = parts.kernel == "freebsd";
        isNetBSD = parts.kernel == "netbsd";
        isOpenBSD = parts.kernel == "openbsd";
        isBSD = lib.hasSuffix "bsd" parts.kernel;
        isWindows = parts.kernel == "windows";
        isCygwin = parts.kernel == "cygwin";
        isMinGW = false;
        isUnix = parts.kernel != "windows";
        isx86 = cpu.family == "x86";
        isx86_64 = parts.cpu == "x86_64";
        isx86_32 = parts.cpu == "i686";
        isi686 = parts.cpu == "i686";
        isAarch64 = parts.cpu == "aarch64";
        isAarch32 = cpu.family == "arm" && cpu.bits == 32;
        isAarch = cpu.family == "arm";
        isRiscV = cpu.family == "riscv";
        isRiscV64 = parts.cpu == "riscv64";
        isPower = cpu.family == "power";
        isMips = cpu.family == "mips";
        isS390 = cpu.family == "s390";
        is64bit = cpu.bits == 64;
        is32bit = cpu.bits == 32;
        isLittleEndian = parts.cpu != "s390x";
        isBigEndian = parts.cpu == "s390x";
        canExecute = other: other.system == system;
        emulator = _: "";
        emulatorAvailable = _: false;
        equals = other: (if builtins.isString other then other else other.system) == system;
        __toString = self: self.system;
      };
    in
    final // removeAttrs args [ "system" ];

  equals = a: b: a.system == b.system;
  examples = lib.genAttrs [ "x86_64-linux" ] (system: { inherit system; });
  parse.mkSystemFromString = text: (elaborate { system = text; }).parsed;
  systemToAttrs = given: if builtins.isString given then { system = given; } else given;
}

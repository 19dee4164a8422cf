# Java: OpenJDK.
{ final, lib, row, ... }:
let
  make =
    {
      attr,
      series,
      packages,
      programs,
    }:
    let
      home = "/usr/lib/jvm/java-${series}-openjdk-amd64";
      self = row attr {
        deb = builtins.head packages;
        "with" = builtins.tail packages;
        pname = "openjdk";
        main = "java";
        links =
          lib.listToAttrs (map (name: lib.nameValuePair "bin/${name}" "${home}/bin/${name}") programs)
          // {
            "lib/openjdk" = home;
          };
        passthru.home = "${self}/lib/openjdk";
      };
    in
    self;
  run = [ "java" "keytool" "rmiregistry" ];
  develop = [ "jar" "jarsigner" "javac" "javadoc" "javap" "jcmd" "jdb" "jdeps" "jlink" "jmap" "jmod" "jps" "jshell" "jstack" "jstat" ];
  family = series: {
    jre = make {
      attr = "jre";
      inherit series;
      packages = [ "openjdk-${series}-jre-headless" ];
      programs = run;
    };
    jdk = make {
      attr = "jdk";
      inherit series;
      packages = [
        "openjdk-${series}-jdk-headless"
        "openjdk-${series}-jre-headless"
      ];
      programs = run ++ develop;
    };
  };
  java21 = family "21";
  java25 = family "25";
in
{
  jre = java21.jre;
  jre_headless = java21.jre;
  jre_minimal = java21.jre;
  jdk = java21.jdk;
  jdk_headless = java21.jdk;
  openjdk = java21.jdk;
  jdk21 = java21.jdk;
  openjdk21 = java21.jdk;
  jdk21_headless = java21.jdk;
  jdk25 = java25.jdk;
  openjdk25 = java25.jdk;
  jdk25_headless = java25.jdk;
  jdk17 = throw "pkgs.jdk17 is not supported: Debian trixie has OpenJDK 21 and 25";
  jdk11 = throw "pkgs.jdk11 is not supported: Debian trixie has OpenJDK 21 and 25";
  jdk8 = throw "pkgs.jdk8 is not supported: Debian trixie has OpenJDK 21 and 25";
}

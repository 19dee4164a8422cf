# Licences by nixpkgs' names, with their SPDX identifiers.
{ lib }:
let
  make = name: { spdxId ? null, fullName ? spdxId, free ? true, url ? null, redistributable ? free, ... }@args:
    {
      shortName = name;
      fullName = if fullName == null then name else fullName;
      inherit free redistributable;
      deprecated = false;
    }
    // lib.optionalAttrs (spdxId != null) { inherit spdxId; url = "https://spdx.org/licenses/${spdxId}.html"; }
    // lib.optionalAttrs (url != null) { inherit url; };

  spdx = {
    afl20 = "AFL-2.0"; afl21 = "AFL-2.1"; afl3 = "AFL-3.0"; agpl3Only = "AGPL-3.0-only";
    agpl3Plus = "AGPL-3.0-or-later"; apsl10 = "APSL-1.0"; apsl20 = "APSL-2.0"; artistic1 = "Artistic-1.0";
    artistic1-cl8 = "Artistic-1.0-cl8"; artistic2 = "Artistic-2.0"; asl11 = "Apache-1.1"; asl20 = "Apache-2.0";
    beerware = "Beerware"; boost = "BSL-1.0"; bsd0 = "0BSD"; bsd1 = "BSD-1-Clause"; bsd2 = "BSD-2-Clause";
    bsd2Patent = "BSD-2-Clause-Patent"; bsd3 = "BSD-3-Clause"; bsd3Clear = "BSD-3-Clause-Clear";
    bsdOriginal = "BSD-4-Clause"; bsdOriginalUC = "BSD-4-Clause-UC"; bzip2 = "bzip2-1.0.6";
    cc-by-10 = "CC-BY-1.0"; cc-by-20 = "CC-BY-2.0"; cc-by-30 = "CC-BY-3.0"; cc-by-40 = "CC-BY-4.0";
    cc-by-sa-10 = "CC-BY-SA-1.0"; cc-by-sa-20 = "CC-BY-SA-2.0"; cc-by-sa-25 = "CC-BY-SA-2.5";
    cc-by-sa-30 = "CC-BY-SA-3.0"; cc-by-sa-40 = "CC-BY-SA-4.0"; cc0 = "CC0-1.0"; cddl = "CDDL-1.0";
    cecill-b = "CECILL-B"; cecill-c = "CECILL-C"; cecill20 = "CECILL-2.0"; cecill21 = "CECILL-2.1";
    clArtistic = "ClArtistic"; cpal10 = "CPAL-1.0"; cpl10 = "CPL-1.0"; curl = "curl"; ecl20 = "ECL-2.0";
    efl10 = "EFL-1.0"; efl20 = "EFL-2.0"; epl10 = "EPL-1.0"; epl20 = "EPL-2.0"; eupl11 = "EUPL-1.1";
    eupl12 = "EUPL-1.2"; fdl11Only = "GFDL-1.1-only"; fdl11Plus = "GFDL-1.1-or-later";
    fdl12Only = "GFDL-1.2-only"; fdl12Plus = "GFDL-1.2-or-later"; fdl13Only = "GFDL-1.3-only";
    fdl13Plus = "GFDL-1.3-or-later"; fsl11Asl20 = "FSL-1.1-ALv2"; fsl11Mit = "FSL-1.1-MIT"; ftl = "FTL";
    gpl1Only = "GPL-1.0-only"; gpl1Plus = "GPL-1.0-or-later"; gpl2Only = "GPL-2.0-only";
    gpl2Plus = "GPL-2.0-or-later"; gpl3Only = "GPL-3.0-only"; gpl3Plus = "GPL-3.0-or-later"; hpnd = "HPND";
    icu = "ICU"; ijg = "IJG"; imagemagick = "ImageMagick"; ipa = "IPA"; ipl10 = "IPL-1.0"; isc = "ISC";
    json = "JSON"; lgpl2Only = "LGPL-2.0-only"; lgpl2Plus = "LGPL-2.0-or-later";
    lgpl21Only = "LGPL-2.1-only"; lgpl21Plus = "LGPL-2.1-or-later"; lgpl3Only = "LGPL-3.0-only";
    lgpl3Plus = "LGPL-3.0-or-later"; libpng = "Libpng"; libpng2 = "libpng-2.0"; libtiff = "libtiff";
    lppl1 = "LPPL-1.0"; lppl12 = "LPPL-1.2"; lppl13a = "LPPL-1.3a"; lppl13c = "LPPL-1.3c"; lpl-102 = "LPL-1.02";
    mit = "MIT"; mit0 = "MIT-0"; miros = "MirOS"; mpl10 = "MPL-1.0"; mpl11 = "MPL-1.1"; mpl20 = "MPL-2.0";
    mspl = "MS-PL"; mulan-psl2 = "MulanPSL-2.0"; ncsa = "NCSA"; ntp = "NTP"; ofl = "OFL-1.1";
    oldHPND = "HPND"; openldap = "OLDAP-2.8"; openssl = "OpenSSL"; osl2 = "OSL-2.0"; osl21 = "OSL-2.1";
    osl3 = "OSL-3.0"; php301 = "PHP-3.01"; postgresql = "PostgreSQL"; psfl = "Python-2.0"; qpl = "QPL-1.0";
    ruby = "Ruby"; sgi-b-20 = "SGI-B-2.0"; sissl11 = "SISSL"; sleepycat = "Sleepycat"; sspl = "SSPL-1.0";
    tcltk = "TCL"; ucd = "UCD"; unicode-dfs-2016 = "Unicode-DFS-2016"; unlicense = "Unlicense"; upl = "UPL-1.0";
    vim = "Vim"; w3c = "W3C"; wtfpl = "WTFPL"; x11 = "X11"; xfig = "Xfig"; zlib = "Zlib"; zpl20 = "ZPL-2.0"; zpl21 = "ZPL-2.1";
  };
  free = builtins.mapAttrs (name: spdxId: make name { inherit spdxId; }) spdx;
  others = builtins.mapAttrs make {
    free = { fullName = "Unspecified free software license"; };
    publicDomain = { fullName = "Public Domain"; };
    unfree = { fullName = "Unfree"; free = false; };
    unfreeRedistributable = { fullName = "Unfree redistributable"; free = false; redistributable = true; };
    unfreeRedistributableFirmware = { fullName = "Unfree redistributable firmware"; free = false; redistributable = true; };
    bsl11 = { spdxId = "BUSL-1.1"; fullName = "Business Source License 1.1"; free = false; redistributable = true; };
    elastic20 = { spdxId = "Elastic-2.0"; fullName = "Elastic License 2.0"; free = false; redistributable = true; };
  };
  old = current: name: free.${current} // { shortName = name; deprecated = true; };
in
free // others // {
  sspl = free.sspl // { free = false; redistributable = true; };
  # Names from the time before `Only` and `Plus`.
  agpl3 = old "agpl3Only" "agpl3";
  gpl2 = old "gpl2Only" "gpl2";
  gpl3 = old "gpl3Only" "gpl3";
  lgpl2 = old "lgpl2Only" "lgpl2";
  lgpl21 = old "lgpl21Only" "lgpl21";
  lgpl3 = old "lgpl3Only" "lgpl3";
}

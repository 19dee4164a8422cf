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
    abstyles = "Abstyles"; adobeDisplayPostScript = "Adobe-Display-PostScript"; adobeUtopia = "Adobe-Utopia"; aml =
    "AML"; ampas = "AMPAS"; apple-psl10 = "APSL-1.0"; apple-psl20 = "APSL-2.0"; arphicpl = "Arphic-1999"; baekmuk =
    "Baekmuk"; bitTorrent10 = "BitTorrent-1.0"; bitTorrent11 = "BitTorrent-1.1"; bitstreamCharter = "Bitstream-Charter";
    bitstreamVera = "Bitstream-Vera"; blueOak100 = "BlueOak-1.0.0"; boehmGC = "Boehm-GC"; bola11 = "BOLA-1.1";
    bsd2WithViews = "BSD-2-Clause-Views"; bsd3ClauseTso = "BSD-3-Clause-Tso"; bsd3Lbnl = "BSD-3-Clause-LBNL";
    bsd3Modification = "BSD-3-Clause-Modification"; bsdOriginalShortened = "BSD-4-Clause-Shortened"; bsdProtection =
    "BSD-Protection"; bsdSourceCode = "BSD-Source-Code"; cal10 = "CAL-1.0"; caldera = "Caldera"; capec = "CAPEC-tou";
    cc-sa-10 = "CC-SA-1.0"; cfitsio = "CFITSIO"; classpathException20 = "Classpath-exception-2.0"; cnri-python =
    "CNRI-Python"; cronyx = "Cronyx"; dec3Clause = "DEC-3-Clause"; doc = "DOC"; docBookDtd = "DocBook-DTD"; drl10 =
    "DRL-1.0"; dtoa = "dtoa"; fair = "Fair"; fontException = "Font-exception-2.0"; fraunhofer-fdk = "FDK-AAC"; giftware
    = "Giftware"; gnuplot = "gnuplot"; hpndDec = "HPND-DEC"; hpndDoc = "HPND-doc"; hpndDocSell = "HPND-doc-sell";
    hpndSellVariant = "HPND-sell-variant"; hpndSellVariantMitDisclaimerXserver = "HPND-sell-MIT-disclaimer-xserver";
    hpndSellVariantSafetyClause = "HPND-sell-variant-critical-systems"; hpndUc = "HPND-UC"; hyphenBulgarian =
    "hyphen-bulgarian"; iasl = "Intel-ACPI"; imlib2 = "Imlib2"; info-zip = "Info-ZIP"; interbase = "Interbase-1.0";
    knuth = "Knuth-CTAN"; lal12 = "LAL-1.2"; lal13 = "LAL-1.3"; lgpllr = "LGPLLR"; liliq-p-11 = "LiLiQ-P-1.1";
    llvm-exception = "LLVM-exception"; lsof = "lsof"; mit-cmu = "MIT-CMU"; mit-enna = "MIT-enna"; mit-feh = "MIT-feh";
    mit-modern = "MIT-Modern-Variant"; mitAdvertising = "MIT-advertising"; mitOpenGroup = "MIT-open-group"; mpich2 =
    "mpich2"; mplus = "mplus"; naist-2003 = "NAIST-2003"; ngpl = "NGPL"; nistSoftware = "NIST-Software"; nlpl = "NLPL";
    nposl3 = "NPOSL-3.0"; ocamlLgplLinkingException = "OCaml-LGPL-linking-exception"; odbl = "ODbL-1.0"; oml = "OML";
    opubl = "OPUBL-1.0"; paratype = "ParaType-Free-Font-1.3"; parity70 = "Parity-7.0.0"; qhull = "Qhull"; qwtException =
    "Qwt-exception-1.0"; sendmail = "Sendmail"; sgmlug = "SGMLUG-PM"; smail = "SMAIL-GPL"; smlnj = "SMLNJ"; tcpWrappers
    = "TCP-wrappers"; tekHvcLicense = "TekHVC"; torque11 = "TORQUE-1.1"; tost = "Pixar"; ubdlException =
    "UBDL-exception"; ufl = "Ubuntu-font-1.0"; unicode-30 = "Unicode-3.0"; unicode-dfs-2015 = "Unicode-DFS-2015";
    unicodeTOU = "Unicode-TOU"; universalFOSSException-10 = "Universal-FOSS-exception-1.0"; vsl10 = "VSL-1.0";
    w3c-19980720 = "W3C-19980720"; wxWindowsException31 = "WxWindows-exception-3.1"; x11NoPermitPersons =
    "X11-no-permit-persons"; xerox = "Xerox"; xinetd = "xinetd"; xskat = "XSkat";
  };
  free = builtins.mapAttrs (name: spdxId: make name { inherit spdxId; }) spdx;
  others = builtins.mapAttrs make {
    free = { fullName = "Unspecified free software license"; };
    publicDomain = { fullName = "Public Domain"; };
    unfree = { fullName = "Unfree"; free = false; };
    unfreeRedistributable = { fullName = "Unfree redistributable"; free = false; redistributable = true; };
    unfreeRedistributableFirmware = { fullName = "Unfree redistributable firmware"; free = false; redistributable = true; };
    bsl11 = { spdxId = "BUSL-1.1"; fullName = "Business Source License 1.1"; free = false; redistributable = true; };
    acsl14 = { fullName = "Anti-Capitalist Software License v1.4"; free = false; url = "https://anticapitalist.software/"; };
    activision = { fullName = "Activision EULA"; free = false; url = "https://www.doomworld.com/eternity/activision_eula.txt"; };
    aladdin = { fullName = "Aladdin Free Public License"; spdxId = "Aladdin"; free = false; };
    amazonsl = { fullName = "Amazon Software License"; free = false; url = "https://aws.amazon.com/asl/"; };
    amd = { fullName = "AMD License Agreement"; free = false; url = "https://developer.amd.com/amd-license-agreement/"; };
    aom = { fullName = "Alliance for Open Media Patent License 1.0"; url = "https://aomedia.org/license/patent-license/"; };
    bsdAxisNoDisclaimerUnmodified = { fullName = "BSD-Axis without Warranty Disclaimer with Unmodified requirement"; url = "https://scancode-licensedb.aboutcode.org/bsd-no-disclaimer-unmodified.html"; };
    cc-by-nc-30 = { fullName = "Creative Commons Attribution Non Commercial 3.0 Unported"; spdxId = "CC-BY-NC-3.0"; free = false; };
    cc-by-nc-40 = { fullName = "Creative Commons Attribution Non Commercial 4.0 International"; spdxId = "CC-BY-NC-4.0"; free = false; };
    cc-by-nc-nd-30 = { fullName = "Creative Commons Attribution Non Commercial No Derivative Works 3.0 Unported"; spdxId = "CC-BY-NC-ND-3.0"; free = false; };
    cc-by-nc-nd-40 = { fullName = "Creative Commons Attribution-NonCommercial-NoDerivatives 4.0 International"; spdxId = "CC-BY-NC-ND-4.0"; free = false; };
    cc-by-nc-sa-20 = { fullName = "Creative Commons Attribution Non Commercial Share Alike 2.0"; spdxId = "CC-BY-NC-SA-2.0"; free = false; };
    cc-by-nc-sa-25 = { fullName = "Creative Commons Attribution Non Commercial Share Alike 2.5"; spdxId = "CC-BY-NC-SA-2.5"; free = false; };
    cc-by-nc-sa-30 = { fullName = "Creative Commons Attribution Non Commercial Share Alike 3.0"; spdxId = "CC-BY-NC-SA-3.0"; free = false; };
    cc-by-nc-sa-40 = { fullName = "Creative Commons Attribution Non Commercial Share Alike 4.0"; spdxId = "CC-BY-NC-SA-4.0"; free = false; };
    cc-by-nd-30 = { fullName = "Creative Commons Attribution-No Derivative Works v3.00"; spdxId = "CC-BY-ND-3.0"; free = false; };
    cc-by-nd-40 = { fullName = "Creative Commons Attribution-No Derivative Works v4.0"; spdxId = "CC-BY-ND-4.0"; free = false; };
    cockroachdb-community-license = { fullName = "CockroachDB Community License Agreement"; free = false; url = "https://www.cockroachlabs.com/cockroachdb-community-license/"; };
    commons-clause = { fullName = "Commons Clause License"; free = false; url = "https://commonsclause.com/"; };
    containsLicenses = { fullName = null; };
    databricks = { fullName = "Databricks License"; free = false; url = "https://www.databricks.com/legal/db-license"; };
    databricks-dbx = { fullName = "DataBricks eXtensions aka dbx License"; free = false; url = "https://github.com/databrickslabs/dbx/blob/743b579a4ac44531f764c6e522dbe5a81a7dc0e4/LICENSE"; };
    databricks-license = { fullName = "Databricks License"; free = false; url = "https://www.databricks.com/legal/db-license"; };
    eapl = { fullName = "EPSON AVASYS PUBLIC LICENSE"; free = false; url = "https://avasys.jp/hp/menu000000700/hpg000000603.htm"; };
    enpl = { fullName = "Emmi AI Non-Production License"; free = false; redistributable = true; url = "https://github.com/Emmi-AI/noether/blob/main/LICENSE.txt"; };
    epson = { fullName = "Seiko Epson Corporation Software License Agreement for Linux"; free = false; url = "https://download.ebz.epson.net/dsc/du/02/eula/global/LINUX_EN.html"; };
    evaluateNamedProperty = { fullName = null; };
    evaluateProperty = { fullName = null; };
    fairsource09 = { fullName = "Fair Source License, version 0.9"; free = false; redistributable = true; url = "https://fair.io/v0.9.txt"; };
    ffsl = { fullName = "Floodgap Free Software License"; free = false; url = "https://www.floodgap.com/software/ffsl/license.html"; };
    g4sl = { fullName = "Geant4 Software License"; url = "https://geant4.web.cern.ch/geant4/license/LICENSE.html"; };
    generaluser = { fullName = "GeneralUser GS License v2.0"; url = "https://www.schristiancollins.com/generaluser.php"; };
    geogebra = { fullName = "GeoGebra Non-Commercial License Agreement"; free = false; url = "https://www.geogebra.org/license"; };
    gfl = { fullName = "GUST Font License"; url = "https://www.gust.org.pl/projects/e-foundry/licenses/GUST-FONT-LICENSE.txt"; };
    gfsl = { fullName = "GUST Font Source License"; url = "https://www.gust.org.pl/projects/e-foundry/licenses/GUST-FONT-SOURCE-LICENSE.txt"; };
    hl3 = { fullName = "Hippocratic License v3.0"; free = false; redistributable = true; url = "https://firstdonoharm.dev/version/3/0/core.txt"; };
    hpndDifferentDisclaimer = { fullName = "HPND with different disclaimer"; url = "https://gitlab.freedesktop.org/xorg/proto/xorgproto/-/blob/1914233e662d23ffb3812b80fadd0bbd064ad91c/COPYING-x11proto#L69-88"; };
    inria-compcert = { fullName = "INRIA Non-Commercial License Agreement for the CompCert verified compiler"; free = false; url = "https://compcert.org/doc/LICENSE.txt"; };
    inria-icesl = { fullName = "End User License Agreement for IceSL Software"; free = false; url = "https://icesl.loria.fr/assets/pdf/EULA_IceSL_binary.pdf"; };
    inria-zelus = { fullName = "INRIA Non-Commercial License Agreement for the Zélus compiler"; free = false; url = "https://github.com/INRIA/zelus/raw/829f2b97cba93b0543a9ca0272269e6b8fdad356/LICENSE"; };
    intel-eula = { fullName = "Intel End User License Agreement for Developer Tools"; free = false; url = "https://software.intel.com/sites/manageability/AMT_Implementation_and_Reference_Guide/WordDocuments/intelamtsdklicense.htm"; };
    isFree = { fullName = null; };
    isRedistributable = { fullName = null; };
    issl = { fullName = "Intel Simplified Software License"; free = false; url = "https://software.intel.com/en-us/license/intel-simplified-software-license"; };
    lens = { fullName = "Lens Terms of Service Agreement"; free = false; url = "https://k8slens.dev/legal/tos"; };
    llgpl21 = { fullName = "Lisp LGPL; GNU Lesser General Public License version 2.1 with Franz Inc. preamble for clarification of LGPL terms in context of Lisp"; url = "https://opensource.franz.com/preamble.html"; };
    nasa13 = { fullName = "NASA Open Source Agreement 1.3"; spdxId = "NASA-1.3"; free = false; };
    ncbiPd = { fullName = "NCBI Public Domain Notice"; spdxId = "NCBI-PD"; free = false; };
    ncul1 = { fullName = "Netdata Cloud UI License v1.0"; spdxId = "NCUL1"; free = false; redistributable = true; };
    netboxLimitedUse = { fullName = "NetBox Limited Use License 1.0"; free = false; url = "https://github.com/netboxlabs/netbox-branching/blob/8465b9aee69ded23930cfe1a522695bfb8955a5a/LICENSE.md"; };
    nvidiaCuda = { fullName = "CUDA Toolkit End User License Agreement (EULA)"; free = false; url = "https://docs.nvidia.com/cuda/eula/index.html#cuda-toolkit-supplement-license-agreement"; };
    nvidiaCudaRedist = { fullName = "CUDA Toolkit End User License Agreement (EULA)"; free = false; redistributable = true; url = "https://docs.nvidia.com/cuda/eula/index.html#cuda-toolkit-supplement-license-agreement"; };
    obsidian = { fullName = "Obsidian End User Agreement"; free = false; url = "https://obsidian.md/eula"; };
    ocamlpro_nc = { fullName = "OCamlPro Non Commercial license version 1"; free = false; url = "https://alt-ergo.ocamlpro.com/http/alt-ergo-2.2.0/OCamlPro-Non-Commercial-License.pdf"; };
    postman = { fullName = "Postman EULA"; free = false; url = "https://www.getpostman.com/licenses/postman_base_app"; };
    prosperity30 = { fullName = "Prosperity-3.0.0"; free = false; url = "https://prosperitylicense.com/versions/3.0.0.html"; };
    sfl = { fullName = "Source First License 1.1"; free = false; redistributable = true; url = "https://gitlab.futo.org/videostreaming/grayjay/-/blob/master/LICENSE.md"; };
    stk = { fullName = "Synthesis Tool Kit 4.3"; url = "https://github.com/thestk/stk/blob/master/LICENSE"; };
    sudo = { fullName = "Sudo License (ISC-style)"; url = "https://www.sudo.ws/about/license/"; };
    sustainableUse = { fullName = "Sustainable Use License"; spdxId = "SUL-1.0"; free = false; };
    teamspeak = { fullName = "Teamspeak client license"; free = false; redistributable = true; url = "https://www.teamspeak.com/en/privacy-and-terms/"; };
    toSPDX = { fullName = null; };
    tsl = { fullName = "Timescale License Agreement"; free = false; url = "https://github.com/timescale/timescaledb/blob/main/tsl/LICENSE-TIMESCALE"; };
    virtualbox-puel = { fullName = "Oracle VM VirtualBox Extension Pack Personal Use and Evaluation License (PUEL)"; free = false; url = "https://www.virtualbox.org/wiki/VirtualBox_PUEL"; };
    vol-sl = { fullName = "Volatility Software License, Version 1.0"; url = "https://www.volatilityfoundation.org/license/vsl-v1.0"; };
    wadalab = { fullName = "Wadalab Font License"; url = "https://fedoraproject.org/wiki/Licensing:Wadalab?rd=Licensing/Wadalab"; };
    watcom = { fullName = "Sybase Open Watcom Public License 1.0"; spdxId = "Watcom-1.0"; free = false; redistributable = true; };
    x11BsdClause = { fullName = "X11 License with third BSD clause"; url = "https://gitlab.freedesktop.org/xorg/driver/xf86-video-geode/-/blob/d147c3f1b6907ae9db6f12853cedd450537d99d2/COPYING"; };
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

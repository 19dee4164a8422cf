# Types of files by extension: each line a type and the extensions that mean it.
''
  text/html html htm shtml
  text/css css
  text/xml xml rss atom
  text/plain txt log conf
  text/csv csv
  text/calendar ics
  text/markdown md
  text/vtt vtt
  text/javascript js mjs
  image/avif avif
  image/gif gif
  image/jpeg jpeg jpg
  image/png png
  image/svg+xml svg svgz
  image/tiff tif tiff
  image/webp webp
  image/x-icon ico
  image/bmp bmp
  font/ttf ttf
  font/otf otf
  font/woff woff
  font/woff2 woff2
  application/json json map
  application/ld+json jsonld
  application/manifest+json webmanifest
  application/pdf pdf
  application/postscript ps eps ai
  application/rtf rtf
  application/wasm wasm
  application/xhtml+xml xhtml
  application/zip zip
  application/gzip gz tgz
  application/zstd zst
  application/x-bzip2 bz2
  application/x-xz xz
  application/x-tar tar
  application/x-7z-compressed 7z
  application/x-rar-compressed rar
  application/java-archive jar war ear
  application/x-sh sh
  application/x-perl pl pm
  application/x-x509-ca-cert der pem crt
  application/msword doc
  application/vnd.ms-excel xls
  application/vnd.ms-powerpoint ppt
  application/vnd.openxmlformats-officedocument.wordprocessingml.document docx
  application/vnd.openxmlformats-officedocument.spreadsheetml.sheet xlsx
  application/vnd.openxmlformats-officedocument.presentationml.presentation pptx
  application/vnd.oasis.opendocument.text odt
  application/vnd.oasis.opendocument.spreadsheet ods
  application/octet-stream bin exe dll deb iso img msi dmg
  audio/midi mid midi
  audio/mpeg mp3
  audio/ogg ogg oga opus
  audio/flac flac
  audio/wav wav
  audio/x-m4a m4a
  video/mp4 mp4 m4v
  video/mpeg mpeg mpg
  video/ogg ogv
  video/quicktime mov
  video/webm webm
  video/x-flv flv
  video/x-msvideo avi
  video/x-matroska mkv
''

# CppNix keeps one or two elements inside the value, and what is printed is a copy of it.
let x = [ x ]; in x

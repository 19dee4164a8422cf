{ enable = true; }.enabel

/* jemalloc as the process's malloc. */
#pragma once

/* The version of the jemalloc that is loaded, without the commit it was made from: "5.3.0". Null
 * where it does not say. The text stays; call it before there are threads, or from one only. */
const char *millrace_jemalloc_version(void);

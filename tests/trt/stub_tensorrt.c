/* What tensorrt.so asks of TensorRT's libraries, for an import without them: one source for all of the libraries.
 *
 * Every object is the same "universal" one: its virtual functions, and those of the implementation that it points to,
 * all return the object itself. As a pointer that is an object again, as a bool true, as a string "\1". What such a
 * library can show is that names, keywords and argument types are right; what it returns means nothing.
 *
 * The table of virtual functions stands at an address whose lower half is 1, so that the object read as TensorRT's Dims
 * has one dimension, and begins behind the two words in which C++ keeps a class's name and place. */

#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define PAGE 0x1fffff000UL
#define TABLE 0x200000001UL
#define OBJECT 0x200001001UL
#define SIZE 0x3000UL

extern void* _ZTIi; /* typeid(int), of libstdc++: a class's name that no binding knows */

static void* universal(void) { return (void*)OBJECT; }

static void make(void) {
    static int made;
    if (made) return;
    made = 1;
    void* page = mmap((void*)PAGE, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (page == MAP_FAILED) return; /* another of these libraries has made it */
    void** table = (void**)TABLE;
    table[-2] = 0;
    table[-1] = &_ZTIi;
    for (unsigned i = 0; i < 256; ++i) table[i] = (void*)universal;
    void** object = (void**)OBJECT;
    object[0] = (void*)TABLE;
    for (unsigned i = 1; i < 64; ++i) object[i] = (void*)OBJECT;
}

#define GIVES_OBJECT(name) \
    void* name(void) {     \
        make();            \
        return (void*)OBJECT; \
    }
GIVES_OBJECT(createInferBuilder_INTERNAL)
GIVES_OBJECT(createInferRuntime_INTERNAL)
GIVES_OBJECT(createInferRefitter_INTERNAL)
GIVES_OBJECT(getPluginRegistry)
GIVES_OBJECT(getBuilderPluginRegistry)
GIVES_OBJECT(createNvOnnxParser_INTERNAL)
GIVES_OBJECT(createNvOnnxParserRefitter_INTERNAL)

int initLibNvInferPlugins(void) { return 1; }
int getNvOnnxParserVersion(void) { return VERSION; }

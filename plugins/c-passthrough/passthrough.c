/* Transform in C that passes every batch on unchanged, and counts them.
 *
 * It shows all that a component in any language does: a descriptor in a custom section, `plugin`,
 * and one role. The functions that are implemented here and called here are those of transform.h,
 * which wit-bindgen makes of schemas/wit/v1/plugin.wit; see build.sh. What a call is given belongs
 * to it, and what it gives back is freed after it, both with malloc and free.
 */
#include "transform.h"

#include <stdlib.h>

#define NAME "c-passthrough"
#define VERSION "0.1.0"

/* What the host reads off the file before it runs anything: 8 bytes magic, the plugin API as two
 * little-endian 16-bit numbers (1.0), then name and version, filled up with zeros to 64 and 32. */
__asm__(".section \".custom_section.dataserver-plugin\",\"\",@\n"
        ".ascii \"DSPLUGIN\"\n"
        ".byte 1, 0, 0, 0\n"
        ".ascii \"" NAME "\"\n"
        ".zero 64 - 13\n"
        ".ascii \"" VERSION "\"\n"
        ".zero 32 - 5\n");
_Static_assert(sizeof NAME == 13 + 1 && sizeof VERSION == 5 + 1, "the zeros above do not fit");

/* Of JSON Schema 2020-12. The host checks a component's options against it. */
static const char OPTIONS[] = "{\"type\":\"object\",\"properties\":{},\"additionalProperties\":false}";

static bool fail(uint8_t kind, const char *message, dataserver_plugin_types_error_t *error)
{
    error->kind = kind;
    transform_string_dup(&error->message, message);
    return false;
}

/* plugin */

void exports_dataserver_plugin_plugin_describe(dataserver_plugin_types_manifest_t *manifest)
{
    dataserver_plugin_types_role_t *role = calloc(1, sizeof *role);
    if (role == NULL)
        abort(); /* a trap: the host opens a new instance */
    role->kind = DATASERVER_PLUGIN_TYPES_ROLE_KIND_TRANSFORM;
    role->ordered = true;
    transform_string_dup(&role->options_schema, OPTIONS);

    transform_string_dup(&manifest->name, NAME);
    transform_string_dup(&manifest->version, VERSION);
    transform_string_dup(&manifest->description, "Passes every batch on, an example in C");
    transform_string_dup(&manifest->author, "dataserver developers");
    manifest->roles.ptr = role;
    manifest->roles.len = 1;
}

bool exports_dataserver_plugin_plugin_check(dataserver_plugin_types_role_kind_t role,
    transform_string_t *options, dataserver_plugin_types_instance_t *instance,
    dataserver_plugin_types_error_t *error)
{
    transform_string_free(options);
    dataserver_plugin_types_instance_free(instance);
    if (role != DATASERVER_PLUGIN_TYPES_ROLE_KIND_TRANSFORM)
        return fail(DATASERVER_PLUGIN_TYPES_ERROR_KIND_CONFIG,
            "this plugin is a transform; declare it under [transforms.ID]", error);
    return true;
}

bool exports_dataserver_plugin_plugin_command(dataserver_plugin_types_role_kind_t role,
    transform_string_t *options, dataserver_plugin_types_instance_t *instance,
    transform_string_t *request, transform_string_t *answer,
    dataserver_plugin_types_error_t *error)
{
    (void)role, (void)answer;
    transform_string_free(options);
    transform_string_free(request);
    dataserver_plugin_types_instance_free(instance);
    return fail(DATASERVER_PLUGIN_TYPES_ERROR_KIND_CONFIG, "transforms have no commands", error);
}

/* transform-role */

bool exports_dataserver_plugin_transform_role_open(transform_string_t *options,
    dataserver_plugin_types_instance_t *instance, dataserver_plugin_types_error_t *error)
{
    (void)error;
    transform_string_free(options);
    dataserver_plugin_types_instance_free(instance);
    return true;
}

bool exports_dataserver_plugin_transform_role_apply(
    dataserver_plugin_types_batch_t *batch, dataserver_plugin_types_error_t *error)
{
    (void)error;
    /* the payload need not travel back: `unchanged` stands for that of the input */
    dataserver_plugin_types_made_batch_t same = {
        .kind = batch->kind,
        .round = batch->round,
        .provenance = { .is_some = true, .val = batch->provenance },
        .payload = { .tag = DATASERVER_PLUGIN_TYPES_PAYLOAD_UNCHANGED },
    };
    dataserver_plugin_host_push(&same);

    transform_string_t metric;
    transform_string_set(&metric, "c_passthrough_batches_total");
    dataserver_plugin_metrics_count(&metric, 1);

    dataserver_plugin_types_batch_free(batch);
    return true;
}

bool exports_dataserver_plugin_transform_role_tick(dataserver_plugin_types_error_t *error)
{
    (void)error;
    return true;
}

bool exports_dataserver_plugin_transform_role_export_state(
    transform_option_list_u8_t *state, dataserver_plugin_types_error_t *error)
{
    (void)error;
    state->is_some = false;
    return true;
}

bool exports_dataserver_plugin_transform_role_import_state(
    transform_list_u8_t *state, dataserver_plugin_types_error_t *error)
{
    transform_list_u8_free(state);
    return fail(DATASERVER_PLUGIN_TYPES_ERROR_KIND_CONFIG, "the plugin keeps no state", error);
}

bool exports_dataserver_plugin_transform_role_close(dataserver_plugin_types_error_t *error)
{
    (void)error;
    return true;
}

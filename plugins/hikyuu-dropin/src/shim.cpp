// The C++ side: an object whose virtual functions Hikyuu calls, and which calls Rust.
//
// Names, order and bases of the classes in hku are the binary interface: Hikyuu casts to
// DataServerPluginInterface by its mangled name. All methods are noexcept there, so nothing may
// leave the functions in Calls.

#include <cstddef>
#include <new>
#include <string>

#define EXPORTED __attribute__((visibility("default")))

namespace hku {

class EXPORTED PluginBase {
public:
    PluginBase() = default;
    virtual ~PluginBase() = default;
    virtual std::string info() const noexcept = 0;
};

class EXPORTED DataServerPluginInterface : public PluginBase {
public:
    virtual ~DataServerPluginInterface() = default;
    virtual void start(const std::string& addr, std::size_t work_num, bool save_tick, bool buf_tick,
                       const std::string& parquet_path) noexcept = 0;
    virtual void stop() noexcept = 0;
};

}  // namespace hku

extern "C" {

// As bridge.rs has it.
struct Text {
    const char* bytes;
    std::size_t length;
};

struct Calls {
    void (*start)(const void* server, Text addr, std::size_t work_num, bool save_tick, bool buf_tick,
                  Text parquet_path);
    void (*stop)(const void* server);
    void (*free)(void* server);
    Text info;
};

}

namespace {

class Bridge final : public hku::DataServerPluginInterface {
public:
    Bridge(void* server, const Calls& calls) noexcept : server_(server), calls_(calls) {}
    Bridge(const Bridge&) = delete;
    Bridge& operator=(const Bridge&) = delete;

    // stops and joins: after this the library may be closed
    ~Bridge() override { calls_.free(server_); }

    std::string info() const noexcept override { return {calls_.info.bytes, calls_.info.length}; }

    void start(const std::string& addr, std::size_t work_num, bool save_tick, bool buf_tick,
               const std::string& parquet_path) noexcept override {
        calls_.start(server_, {addr.data(), addr.size()}, work_num, save_tick, buf_tick,
                     {parquet_path.data(), parquet_path.size()});
    }

    void stop() noexcept override { calls_.stop(server_); }

private:
    void* server_;
    Calls calls_;
};

}  // namespace

// nullptr when there is no memory; the server is still the caller's then
extern "C" void* hikyuu_shim_new(void* server, const Calls* calls) noexcept {
    // the caller hands the pointer on as one to the base
    return static_cast<hku::PluginBase*>(new (std::nothrow) Bridge(server, *calls));
}

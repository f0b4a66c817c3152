// Does with the library what Hikyuu does, one step a line of stdin, and answers each with a line.
//
// The classes are declared anew here, as in a program that was compiled elsewhere.

#include <dlfcn.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

namespace hku {

class PluginBase {
public:
    PluginBase() = default;
    virtual ~PluginBase() = default;
    virtual std::string info() const noexcept = 0;
};

class DataServerPluginInterface : public PluginBase {
public:
    virtual ~DataServerPluginInterface() = default;
    virtual void start(const std::string& addr, size_t work_num, bool save_tick, bool buf_tick,
                       const std::string& parquet_path) noexcept = 0;
    virtual void stop() noexcept = 0;
};

}  // namespace hku

static void* library = nullptr;
static std::map<int, std::unique_ptr<hku::PluginBase>> objects;

// As Hikyuu finds the data server among its plugins.
static hku::DataServerPluginInterface* server(int object) {
    return dynamic_cast<hku::DataServerPluginInterface*>(objects.at(object).get());
}

static std::string threads() {
    size_t count = 0;
    for (auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
        (void)task;
        ++count;
    }
    return std::to_string(count);
}

// How many signals have a handler of somebody's.
static std::string handlers() {
    int count = 0;
    for (int number = 1; number < 65; ++number) {
        struct sigaction now;
        if (sigaction(number, nullptr, &now) == 0 && now.sa_handler != SIG_DFL &&
            now.sa_handler != SIG_IGN) {
            ++count;
        }
    }
    return std::to_string(count);
}

static std::string step(const std::string& name, std::istringstream& rest) {
    int object = 0;
    if (name == "open") {
        std::string path;
        rest >> path;
        library = dlopen(path.c_str(), RTLD_LAZY);
        return library ? "ok" : dlerror();
    }
    if (name == "close") {
        return dlclose(library) == 0 ? "ok" : dlerror();
    }
    if (name == "threads") {
        return threads();
    }
    if (name == "handlers") {
        return handlers();
    }
    if (name == "exit") {
        std::cout << "ok" << std::endl;
        std::exit(0);
    }
    rest >> object;
    if (name == "new") {
        auto create = reinterpret_cast<hku::PluginBase* (*)()>(dlsym(library, "createPlugin"));
        if (!create) {
            return "no createPlugin";
        }
        objects[object].reset(create());
        return server(object) ? objects[object]->info() : "it is no data server";
    }
    if (name == "start") {
        std::string addr, path;
        size_t workers = 0;
        bool save = false, buffer = false;
        rest >> addr >> workers >> save >> buffer >> path;
        auto begin = std::chrono::steady_clock::now();
        server(object)->start(addr, workers, save, buffer, path);
        auto took = std::chrono::steady_clock::now() - begin;
        return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(took).count());
    }
    if (name == "stop") {
        server(object)->stop();
        return "ok";
    }
    if (name == "delete") {
        objects.at(object).reset();
        return "ok";
    }
    if (name == "fork") {
        // a child as Python's multiprocessing makes it, which gives the object up
        pid_t child = fork();
        if (child == 0) {
            objects.at(object).reset();
            _exit(7);
        }
        int status = 0;
        waitpid(child, &status, 0);
        return std::to_string(WEXITSTATUS(status));
    }
    return "unknown step";
}

int main() {
    std::string line;
    while (std::getline(std::cin, line)) {
        std::istringstream rest(line);
        std::string name;
        rest >> name;
        std::cout << step(name, rest) << std::endl;
    }
    // as an interpreter that ends: the objects stay, their threads run on
    for (auto& object : objects) {
        object.second.release();
    }
    return 0;
}

// A server of Hikyuu's node protocol as its published header has them: NNG's reply socket with 128
// contexts, requests and answers through nlohmann's json. What the benchmark compares with.
//
//   node_server ADDRESS ANSWER
//
// Command `empty` is answered with {"ret": 0}, every other one with the MessagePack value in the file
// ANSWER, which is encoded anew each time. Prints a line when it listens; ends with its input.

#include <fstream>
#include <iostream>
#include <iterator>
#include <vector>

#include <nlohmann/json.hpp>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>

using nlohmann::json;

namespace {

json answer;

struct Worker {
    nng_aio* aio;
    nng_ctx context;
    bool sends;
};

void must(int code) {
    if (code != 0) {
        std::cerr << nng_strerror(static_cast<nng_errno_enum>(code)) << '\n';
        std::_Exit(1);
    }
}

json reply_to(nng_msg* message) {
    const auto* body = static_cast<const std::uint8_t*>(nng_msg_body(message));
    const json request = json::from_msgpack(body, body + nng_msg_len(message));
    if (request.at("cmd").get<std::string>() == "empty") return {{"ret", 0}};
    return answer;
}

void step(void* argument) {
    auto* worker = static_cast<Worker*>(argument);
    if (nng_aio_result(worker->aio) != 0) return;
    if (worker->sends) {
        worker->sends = false;
        nng_ctx_recv(worker->context, worker->aio);
        return;
    }
    nng_msg* message = nng_aio_get_msg(worker->aio);
    const std::vector<std::uint8_t> bytes = json::to_msgpack(reply_to(message));
    nng_msg_clear(message);
    must(nng_msg_append(message, bytes.data(), bytes.size()));
    nng_aio_set_msg(worker->aio, message);
    worker->sends = true;
    nng_ctx_send(worker->context, worker->aio);
}

}  // namespace

int main(int, char** arguments) {
    std::ifstream file(arguments[2], std::ios::binary);
    const std::vector<std::uint8_t> bytes(std::istreambuf_iterator<char>(file), {});
    answer = json::from_msgpack(bytes);
    nng_socket socket;
    must(nng_rep0_open(&socket));
    must(nng_listen(socket, arguments[1], nullptr, 0));
    std::vector<Worker> workers(128);
    for (Worker& worker : workers) {
        worker.sends = false;
        must(nng_aio_alloc(&worker.aio, step, &worker));
        must(nng_ctx_open(&worker.context, socket));
        nng_ctx_recv(worker.context, worker.aio);
    }
    std::cout << "listening" << std::endl;
    std::cin.get();
    std::_Exit(0);
}

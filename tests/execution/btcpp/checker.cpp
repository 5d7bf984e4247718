// What BehaviorTree.CPP makes of trees: each line of standard input is {"xml": …, "nodes": {SKILL: {PORT: TYPE}}}, each
// line of standard output what came of it: {"accepted": …, "error": …, "calls": [[SKILL, {PORT: VALUE}], …], "model": …}.
// The skills are registered as a user's factory would, each tree is made, and run; a skill says what it read from its ports.

#include <iostream>
#include <map>
#include <stdexcept>
#include <string>

#include <behaviortree_cpp/bt_factory.h>
#include <behaviortree_cpp/contrib/json.hpp>
#include <behaviortree_cpp/xml_parsing.h>

using nlohmann::json;

namespace
{
json* calls = nullptr;  // of the tree that runs

template <typename T>
json read(const BT::TreeNode& node, const std::string& port)
{
  T value{};
  if(const auto read = node.getInput(port, value); !read)
  {
    throw std::runtime_error(read.error());
  }
  return value;
}

class Skill : public BT::SyncActionNode
{
public:
  Skill(const std::string& name, const BT::NodeConfig& config) : SyncActionNode(name, config) {}

  BT::NodeStatus tick() override
  {
    json values = json::object();
    for(const auto& [port, text] : config().input_ports)
    {
      const auto& type = config().manifest->ports.at(port).type();
      values[port] = type == typeid(int)    ? read<int>(*this, port) :
                     type == typeid(double) ? read<double>(*this, port) :
                     type == typeid(bool)   ? read<bool>(*this, port) :
                                              read<std::string>(*this, port);
    }
    calls->push_back({registrationName(), values});
    return BT::NodeStatus::SUCCESS;
  }
};

std::pair<std::string, BT::PortInfo> port(const std::string& name, const std::string& type)
{
  if(type == "int") return BT::InputPort<int>(name);
  if(type == "double") return BT::InputPort<double>(name);
  if(type == "bool") return BT::InputPort<bool>(name);
  if(type == "std::string") return BT::InputPort<std::string>(name);
  throw std::runtime_error("no such type: " + type);
}

json judge(const json& given)
{
  json made = {{"accepted", false}, {"error", ""}, {"calls", json::array()}, {"model", ""}};
  calls = &made["calls"];
  try
  {
    BT::BehaviorTreeFactory factory;
    for(const auto& [name, ports] : given.at("nodes").items())
    {
      BT::TreeNodeManifest manifest;
      manifest.type = BT::NodeType::ACTION;
      manifest.registration_ID = name;
      for(const auto& [own, type] : ports.items())
      {
        manifest.ports.insert(port(own, type));
      }
      factory.registerBuilder(manifest, [](const std::string& instance, const BT::NodeConfig& config) {
        return std::make_unique<Skill>(instance, config);
      });
    }
    made["model"] = BT::writeTreeNodesModelXML(factory);
    factory.registerBehaviorTreeFromText(given.at("xml"));
    auto tree = factory.createTreeFromText(given.at("xml"));
    const auto status = tree.tickWhileRunning();
    made["accepted"] = status == BT::NodeStatus::SUCCESS;
    made["error"] = status == BT::NodeStatus::SUCCESS ? "" : BT::toStr(status);
  }
  catch(const std::exception& error)
  {
    made["error"] = error.what();
  }
  return made;
}
}  // namespace

int main()
{
  std::ostream out(std::cout.rdbuf());
  std::cout.rdbuf(std::cerr.rdbuf());  // the library's own words
  out << json({{"version", BTCPP_LIBRARY_VERSION}}) << std::endl;
  for(std::string line; std::getline(std::cin, line);)
  {
    out << judge(json::parse(line)).dump(-1, ' ', false, json::error_handler_t::replace) << "\n";
  }
}

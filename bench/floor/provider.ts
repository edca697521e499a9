/** The floor's provider: it returns its inputs. It uses the gRPC library of the real provider. */
import * as grpc from "@grpc/grpc-js";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import { PluginInfo } from "@pulumi/pulumi/proto/plugin_pb";
import { ResourceProviderService } from "@pulumi/pulumi/proto/provider_grpc_pb";
import * as pb from "@pulumi/pulumi/proto/provider_pb";

function answer<Request, Response>(
  make: (request: Request) => Response,
): grpc.handleUnaryCall<Request, Response> {
  return (call, callback) => callback(null, make(call.request));
}

const unchanged = (): pb.DiffResponse => {
  const response = new pb.DiffResponse();
  response.setChanges(pb.DiffResponse.DiffChanges.DIFF_NONE);
  return response;
};
const checked = (request: pb.CheckRequest): pb.CheckResponse => {
  const response = new pb.CheckResponse();
  response.setInputs(request.getNews());
  return response;
};

const service: grpc.UntypedServiceImplementation = {
  handshake: answer(() => {
    const response = new pb.ProviderHandshakeResponse();
    response.setAcceptSecrets(true);
    return response;
  }),
  getPluginInfo: answer(() => new PluginInfo()),
  checkConfig: answer(checked),
  diffConfig: answer(unchanged),
  configure: answer(() => {
    const response = new pb.ConfigureResponse();
    response.setAcceptsecrets(true);
    response.setSupportspreview(true);
    return response;
  }),
  check: answer(checked),
  diff: answer(unchanged),
  create: answer((request: pb.CreateRequest) => {
    const response = new pb.CreateResponse();
    response.setId(request.getPreview() ? "" : "floor");
    response.setProperties(request.getProperties());
    return response;
  }),
  read: answer((request: pb.ReadRequest) => {
    const response = new pb.ReadResponse();
    response.setId(request.getId());
    response.setProperties(request.getProperties());
    response.setInputs(request.getInputs());
    return response;
  }),
  delete: answer(() => new Empty()),
  cancel: answer(() => new Empty()),
};

const server = new grpc.Server();
server.addService(ResourceProviderService, service);
server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  process.stdout.write(`${port}\n`);
});

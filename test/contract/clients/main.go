// Makes the calls of the contract with Go's gRPC and the code generated for Go: reads each call as a line of JSON, and writes
// what comes back as lines. scripts/build-contract-clients.sh builds it.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"sync"

	_ "google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	_ "example.com/meshcache-client/gen/meshcache/v1"
	_ "example.com/meshcache-client/gen/users/v1"
)

const messageMaxBytes = 8 << 20

// A call, or with Cancel the end of one. Messages are Protobuf.
type request struct {
	Id       int
	Method   string // "meshcache.v1.CacheService/Get"
	Messages [][]byte
	Metadata map[string]string
	Cancel   bool
}

// A message, or the end of a call: Status is a google.rpc.Status, empty for OK, and Metadata that of a unary call, trailers included.
type answer struct {
	Id       int
	Message  []byte
	End      bool
	Status   []byte
	Metadata map[string][]string
}

func main() {
	connection, err := grpc.NewClient(os.Args[1], grpc.WithTransportCredentials(transportCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(messageMaxBytes)))
	if err != nil {
		log.Fatal(err)
	}
	var writing sync.Mutex
	output := json.NewEncoder(os.Stdout)
	write := func(one answer) {
		writing.Lock()
		defer writing.Unlock()
		if err := output.Encode(one); err != nil {
			log.Fatal(err)
		}
	}
	var running sync.Map
	lines := bufio.NewReader(os.Stdin)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var asked request
		if err := json.Unmarshal(line, &asked); err != nil {
			log.Fatal(err)
		}
		if asked.Cancel {
			if cancel, found := running.Load(asked.Id); found {
				cancel.(context.CancelFunc)()
			}
			continue
		}
		ctx, cancel := context.WithCancel(context.Background())
		running.Store(asked.Id, cancel)
		go func() {
			defer cancel()
			var header, trailer metadata.MD
			ctx := metadata.NewOutgoingContext(ctx, metadata.New(asked.Metadata))
			err := call(ctx, connection, asked, write, grpc.Header(&header), grpc.Trailer(&trailer))
			running.Delete(asked.Id)
			write(answer{Id: asked.Id, End: true, Status: statusBytes(err), Metadata: metadata.Join(header, trailer)})
		}()
	}
}

func call(ctx context.Context, connection *grpc.ClientConn, asked request, write func(answer), options ...grpc.CallOption) error {
	service, name, _ := strings.Cut(asked.Method, "/")
	described, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service + "." + name))
	if err != nil {
		return err
	}
	method := described.(protoreflect.MethodDescriptor)
	inputs := make([]proto.Message, len(asked.Messages))
	for index, bytes := range asked.Messages {
		if inputs[index], err = newMessage(method.Input()); err != nil {
			return err
		}
		if err := proto.Unmarshal(bytes, inputs[index]); err != nil {
			return err
		}
	}
	receive := func(take func(proto.Message) error) error {
		output, err := newMessage(method.Output())
		if err != nil {
			return err
		}
		if err := take(output); err != nil {
			return err
		}
		bytes, err := proto.Marshal(output)
		write(answer{Id: asked.Id, Message: bytes})
		return err
	}
	path := "/" + asked.Method
	if !method.IsStreamingServer() {
		return receive(func(output proto.Message) error { return connection.Invoke(ctx, path, inputs[0], output, options...) })
	}
	stream, err := connection.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: method.IsStreamingClient()}, path)
	if err != nil {
		return err
	}
	for _, input := range inputs {
		// Its error is io.EOF: why is said by RecvMsg.
		if err := stream.SendMsg(input); err != nil {
			break
		}
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	for {
		err := receive(func(output proto.Message) error { return stream.RecvMsg(output) })
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func newMessage(of protoreflect.MessageDescriptor) (proto.Message, error) {
	found, err := protoregistry.GlobalTypes.FindMessageByName(of.FullName())
	if err != nil {
		return nil, err
	}
	return found.New().Interface(), nil
}

func statusBytes(err error) []byte {
	if err == nil {
		return nil
	}
	bytes, failed := proto.Marshal(status.Convert(err).Proto())
	if failed != nil {
		log.Fatal(failed)
	}
	return bytes
}

// Mutual TLS where the variables of the command line name files.
func transportCredentials() credentials.TransportCredentials {
	authorities := os.Getenv("MESHCACHE_TLS_CA")
	if authorities == "" {
		return insecure.NewCredentials()
	}
	pem, err := os.ReadFile(authorities)
	if err != nil {
		log.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		log.Fatal(fmt.Errorf("%s has no certificate", authorities))
	}
	pair, err := tls.LoadX509KeyPair(os.Getenv("MESHCACHE_TLS_CERT"), os.Getenv("MESHCACHE_TLS_KEY"))
	if err != nil {
		log.Fatal(err)
	}
	return credentials.NewTLS(&tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}})
}

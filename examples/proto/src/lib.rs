//! The gRPC service of the tonic example, as its definition says.

tonic::include_proto!("reports");
